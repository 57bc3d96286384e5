package verifier_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// replica is a server of an issuer in a synctest bubble, on a network of pipes. It can freeze like a process that is stopped:
// what is sent to it arrives, and nothing comes back.
type replica struct {
	conns  chan net.Conn
	frozen chan struct{} // closed while it is
}

func startReplica(t *testing.T, h http.Handler, protocols *http.Protocols) *replica {
	t.Helper()
	r := &replica{conns: make(chan net.Conn), frozen: make(chan struct{})}
	server := &http.Server{Handler: h, Protocols: protocols}
	go server.Serve(r)
	t.Cleanup(func() { server.Close() })
	return r
}

func (r *replica) Accept() (net.Conn, error) {
	c, ok := <-r.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return &freezing{c, r.frozen}, nil
}

func (r *replica) Close() error   { close(r.conns); return nil }
func (r *replica) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// freezing is a connection of a replica that may freeze.
type freezing struct {
	net.Conn
	frozen chan struct{}
}

func (c *freezing) Write(p []byte) (int, error) {
	select {
	case <-c.frozen:
		return len(p), nil
	default:
		return c.Conn.Write(p)
	}
}

// TestAReplicaThatFreezesDelaysARevocationByLessThanFiveSeconds: its connections stay open, so that nothing but a time limit
// tells; and none of them may be used again. By HTTP/2 one carries all requests, so there is always another one on it.
func TestAReplicaThatFreezesDelaysARevocationByLessThanFiveSeconds(t *testing.T) {
	t.Parallel()
	var one, two http.Protocols
	one.SetHTTP1(true)
	two.SetUnencryptedHTTP2(true)
	for name, protocols := range map[string]*http.Protocols{"HTTP/1.1": &one, "HTTP/2": &two} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(firstKey())
				i.address = "http://localhost:1"
				another := serveList(i)
				s := serveList(i)
				another.uri = i.url() + "/oauth/status-lists/4"
				lists := http.NewServeMux()
				lists.Handle("/oauth/status-lists/3", s)
				lists.Handle("/oauth/status-lists/4", another)
				both := http.Handler(lists)
				i.lists.Store(&both)
				replicas := []*replica{startReplica(t, i, protocols), startReplica(t, i, protocols)}
				var mu sync.Mutex
				serving := replicas[0]
				transport := &http.Transport{Protocols: protocols, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					mu.Lock()
					defer mu.Unlock()
					ours, theirs := net.Pipe()
					select {
					case serving.conns <- theirs:
						return ours, nil
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				}}
				v, err := verifier.New(i.url(), audience, verifier.WithHTTPClient(&http.Client{Transport: transport}))
				if err != nil {
					t.Fatal(err)
				}
				defer v.Close()
				raw := s.listed(1)
				mustVerify(t, v, raw)
				time.Sleep(500 * time.Millisecond)
				mustVerify(t, v, another.listed(1))  // whose requests are under way when those of the first end
				time.Sleep(12100 * time.Millisecond) // both requests have just begun to wait
				// This asks for keys, and leaves a connection that nobody uses.
				mustRefuse(t, v, sign(secondKey(), header(set{"kid": "second"}), claims(time.Now(), set{"iss": i.url()})))
				mu.Lock()
				close(serving.frozen)
				serving = replicas[1]
				mu.Unlock()
				s.revoke(1)
				time.Sleep(5 * time.Second)
				synctest.Wait()
				mustRefuse(t, v, raw)
			})
		})
	}
}
