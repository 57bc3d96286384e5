package redis_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/store/redis"
	"github.com/mintmark-auth/mintmark/internal/testserver"
	"github.com/mintmark-auth/mintmark/internal/testserver/server"
)

// certificate and key are the files of a server on loopback, which signs itself.
var certificate, key string

// TestMain has the process trust the certificate of the tests' servers, in the way an operator has mintmark
// trust a certificate authority: Go reads SSL_CERT_FILE once.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "mintmark-tls-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	certificate, key = filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	code := 1
	if err = writeCertificate(); err == nil {
		err = os.Setenv("SSL_CERT_FILE", certificate)
	}
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(dir) // a temporary one
	os.Exit(code)
}

func writeCertificate() error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	if err := os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600)
}

// secure gives the arguments by which a server speaks TLS, and where.
func secure(t *testing.T) (args []string, addr string) {
	t.Helper()
	port, err := server.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		"--tls-port", strconv.Itoa(port), "--tls-cert-file", certificate, "--tls-key-file", key,
		"--tls-ca-cert-file", certificate, "--tls-auth-clients", "no",
	}, net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

func TestTheStoreWorksOverTLS(t *testing.T) {
	t.Parallel()
	args, addr := secure(t)
	plain := testserver.StartRedis(t, args...)
	work(t, openSoon(t, "rediss://"+addr+"/1"))

	if _, err := redis.Open(t.Context(), redis.Config{URL: "rediss://" + plain.Addr(), LimitKey: limitKey}); err == nil {
		t.Error("a port without TLS is opened")
	}
}

func TestTheStoreWorksOnAClusterOverTLS(t *testing.T) {
	t.Parallel()
	args, addr := secure(t)
	bus, err := server.FreePort() // the default is one that another process may have
	if err != nil {
		t.Fatal(err)
	}
	plain := testserver.StartRedis(t, append(args, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--tls-cluster", "yes", "--cluster-announce-ip", "127.0.0.1")...)
	node := goredis.NewClient(&goredis.Options{Addr: plain.Addr()})
	t.Cleanup(func() { _ = node.Close() })
	if err := node.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	work(t, openSoon(t, "rediss+cluster://"+addr))
}

func TestTheStoreFindsThePrimaryThroughSentinelOverTLS(t *testing.T) {
	t.Parallel()
	args, primary := secure(t)
	testserver.StartRedis(t, append(args, "--requirepass", "hunter2")...)
	lines, addr := secure(t)
	for i := range lines { // of pairs "--name", "value" to "name value"
		lines[i] = strings.TrimPrefix(lines[i], "--")
	}
	configuration := []string{"tls-replication yes"}
	for i := 0; i < len(lines); i += 2 {
		configuration = append(configuration, lines[i]+" "+lines[i+1])
	}
	host, port, err := net.SplitHostPort(primary)
	if err != nil {
		t.Fatal(err)
	}
	testserver.StartSentinel(t, append(configuration, "sentinel monitor main "+host+" "+port+" 1", "sentinel auth-pass main hunter2", "requirepass hunter3")...)
	work(t, openSoon(t, "rediss+sentinel://:hunter2@"+addr+"/main?db=1&sentinel_password=hunter3"))
}

func TestTheStoreWorksOverASocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "redis.sock")
	testserver.StartRedis(t, "--unixsocket", socket, "--requirepass", "hunter2")
	work(t, openSoon(t, "unix://:hunter2@"+socket+"?db=3"))
}
