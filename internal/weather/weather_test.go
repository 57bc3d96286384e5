package weather_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/weather"
	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

const audience = "https://weather.example.com"

// issuer is a live issuer on loopback with one key.
type issuer struct {
	url string
	key *rsa.PrivateKey
}

func newIssuer(t *testing.T) issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		base := "http://" + r.Host
		if r.URL.Path == "/jwks" {
			fmt.Fprintf(w, `{"keys":[{"kty":"RSA","kid":"k","n":%q,"e":%q}]}`, b64(key.N.Bytes()), b64(big.NewInt(int64(key.E)).Bytes()))
			return
		}
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, base, base+"/jwks")
	}))
	t.Cleanup(server.Close)
	return issuer{url: server.URL, key: key}
}

func (i issuer) token(t *testing.T, expiry time.Time) string {
	t.Helper()
	signed := b64([]byte(`{"alg":"RS256","typ":"at+jwt","kid":"k"}`)) + "." + b64(fmt.Appendf(nil,
		`{"iss":%q,"aud":%q,"sub":"u","client_id":"c","jti":"j","iat":%d,"exp":%d}`, i.url, audience, time.Now().Unix(), expiry.Unix()))
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, i.key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + b64(signature)
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// impatient lets a test whose answer never comes fail within a minute.
var impatient = &http.Client{Timeout: 50 * time.Second}

func get(t *testing.T, method, url, token string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := impatient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func handler(t *testing.T, issuerURL string, now time.Time) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(weather.Handler(ready(t, issuerURL), func() time.Time { return now }))
	t.Cleanup(server.Close)
	return server
}

// ready is a verifier that has its keys, so that no answer depends on how busy the machine is.
func ready(t *testing.T, issuerURL string) *verifier.Verifier {
	t.Helper()
	v, err := verifier.New(issuerURL, audience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		err := v.Wait(ctx)
		if err == nil {
			return v
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

func TestTheForecastIsThatOfTheASPNETTemplate(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	server := handler(t, i.url, time.Date(2026, 12, 30, 23, 0, 0, 0, time.UTC))
	summaries := strings.Fields("Freezing Bracing Chilly Cool Mild Warm Balmy Hot Sweltering Scorching")
	for _, path := range []string{"/WeatherForecast", "/weatherforecast", "/WEATHERFORECAST", "/weatherForecast?x=1"} {
		response, body := get(t, http.MethodGet, server.URL+path, i.token(t, time.Now().Add(time.Minute)))
		if response.StatusCode != 200 || response.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %d %s", path, response.StatusCode, body)
		}
		var days []struct {
			Date         string
			TemperatureC int
			TemperatureF int
			Summary      string
		}
		decoder := json.NewDecoder(strings.NewReader(body))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&days); err != nil {
			t.Fatal(err)
		}
		var dates []string
		for _, d := range days {
			dates = append(dates, d.Date)
			if d.TemperatureC < -20 || d.TemperatureC >= 55 || d.TemperatureF != 32+int(float64(d.TemperatureC)/0.5556) {
				t.Errorf("%d °C is %d °F", d.TemperatureC, d.TemperatureF)
			}
			if !slices.Contains(summaries, d.Summary) {
				t.Errorf("summary %q", d.Summary)
			}
		}
		if want := []string{"2026-12-31", "2027-01-01", "2027-01-02", "2027-01-03", "2027-01-04"}; !slices.Equal(dates, want) {
			t.Errorf("dates %v, want %v", dates, want)
		}
		for _, name := range []string{`"date":`, `"temperatureC":`, `"temperatureF":`, `"summary":`} {
			if strings.Count(body, name) != 5 {
				t.Errorf("the body lacks %s: %s", name, body)
			}
		}
	}
}

func TestTheForecastNeedsAGoodToken(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	server := handler(t, i.url, time.Now())
	for name, c := range map[string]struct{ token, challenge string }{
		"none":    {"", `Bearer realm="` + audience + `"`},
		"broken":  {"garbage", `Bearer realm="` + audience + `", error="invalid_token"`},
		"expired": {i.token(t, time.Now().Add(-time.Second)), `Bearer realm="` + audience + `", error="invalid_token"`},
	} {
		response, body := get(t, http.MethodGet, server.URL+weather.Path, c.token)
		if response.StatusCode != 401 || !strings.HasPrefix(response.Header.Get("WWW-Authenticate"), c.challenge) || strings.Contains(body, "temperature") {
			t.Errorf("%s: %d %v %s", name, response.StatusCode, response.Header, body)
		}
	}
}

func TestOtherPathsAndMethodsAreRefused(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	server := handler(t, i.url, time.Now())
	token := i.token(t, time.Now().Add(time.Minute))
	for _, path := range []string{"/", "/WeatherForecast/", "/WeatherForecastX", "/x/WeatherForecast", "//WeatherForecast"} {
		if response, body := get(t, http.MethodGet, server.URL+path, token); response.StatusCode != 404 || !json.Valid([]byte(body)) {
			t.Errorf("%s: %d %s", path, response.StatusCode, body)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, "BREW"} {
		if response, body := get(t, method, server.URL+"/weatherforecast", token); response.StatusCode != 405 ||
			response.Header.Get("Allow") != "GET" || !json.Valid([]byte(body)) {
			t.Errorf("%s: %d %s", method, response.StatusCode, body)
		}
	}
}

func TestWrongUsageIsOneClearLineAndExit2(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--issuer and --audience are missing": {},
		"--issuer is missing":                 {"--audience", "a"},
		"--audience is missing":               {"--issuer", "http://localhost:1"},
		"plain http is for loopback":          {"--issuer", "http://example.com", "--audience", "a"},
		"-colour":                             {"--colour", "red"},
		`unexpected argument "serve"`:         {"--issuer", "http://localhost:1", "--audience", "a", "serve"},
		"the audience":                        {"--issuer", "x", "--audience", "a\nb"},
	} {
		var stdout, stderr bytes.Buffer
		code := weather.Run(t.Context(), args, &stdout, &stderr)
		if code != 2 || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), want) || stdout.Len() > 0 {
			t.Errorf("%v: exit %d, %q %q", args, code, &stdout, &stderr)
		}
	}
}

func TestHelpShowsAnExample(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	code := weather.Run(t.Context(), []string{"--help"}, &stdout, &stderr)
	if code != 0 || !strings.Contains(stdout.String(), "curl -H") || stderr.Len() > 0 {
		t.Errorf("exit %d, %q %q", code, &stdout, &stderr)
	}
}

func TestAPortInUseIsOneClearLineAndExit1(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	var stdout, stderr bytes.Buffer
	code := weather.Run(t.Context(), []string{"--issuer", "http://localhost:1", "--audience", "a", "--addr", taken.Addr().String()}, &stdout, &stderr)
	if code != 1 || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), taken.Addr().String()) ||
		!strings.Contains(stderr.String(), "--addr") {
		t.Errorf("exit %d, %q", code, &stderr)
	}
}

func TestTheServiceStartsBeforeItsIssuerAndDrainsWhenStopped(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	down, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i.url = "http://" + down.Addr().String()
	down.Close() // nobody listens there now

	ctx, stop := context.WithCancel(t.Context())
	stdout, line := io.Pipe()
	var stderr locked
	ended := make(chan int, 1)
	go func() {
		ended <- weather.Run(ctx, []string{"--issuer", i.url, "--audience", audience, "--addr", "127.0.0.1:0"}, line, &stderr)
		line.Close()
	}()
	var address string
	if _, err := fmt.Fscanf(stdout, "weather: %s takes tokens of", &address); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, stdout)
	response, body := get(t, http.MethodGet, address, i.token(t, time.Now().Add(time.Minute)))
	if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || !json.Valid([]byte(body)) {
		t.Errorf("while the issuer is down: %d %v %s", response.StatusCode, response.Header, body)
	}
	for _, token := range []string{"", "rubbish"} { // nothing is said of any token before there are keys
		if response, body := get(t, http.MethodGet, address, token); response.StatusCode != 503 {
			t.Errorf("token %q while the issuer is down: %d %s", token, response.StatusCode, body)
		}
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("exit %d: %s", code, &stderr)
	}
}

// locked is a buffer that a server may write to while the test reads.
type locked struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}
