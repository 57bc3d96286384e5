package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/httpapi"
	"github.com/mintmark-auth/mintmark/internal/telemetry"
)

func httpAttacks() []attack {
	return []attack{
		{"HTP-01", "requests that never end, and answers that are never read", slowConnections},
		{"HTP-02", "bodies that never end", endlessBodies},
		{"HTP-03", "headers and targets that never end", endlessHeaders},
		{"HTP-04", "requests framed in two ways", smuggledRequests},
		{"HTP-05", "HTTP/2 in the clear: it isn't spoken", plainHTTP2},
		{"HTP-06", "another Host, two, none", hostileHosts},
		{"HTP-07", "a forged X-Forwarded-For", forgedForwarding},
		{"HTP-10", "every other method on every path", otherMethods},
		{"HTP-11", "spellings of paths that lead to operations", pathTricks},
		{"HTP-12", "the header fields that protect, on every kind of answer", protectiveHeaders},
		{"HTP-13", "a handler that panics", panickingHandler},
	}
}

func plainHTTP2(t *testing.T, a *authority) {
	preface := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	if answers, hungUp := wire(t, a, strings.NewReader(preface)); !hungUp || len(answers) > 1 || len(answers) == 1 && answers[0].Status < 400 {
		t.Errorf("the preface: %v, hung up: %v", statusesOf(answers), hungUp)
	}
	upgrade := "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
	if answers, _ := wire(t, a, strings.NewReader(upgrade)); len(answers) != 1 || answers[0].Status != http.StatusOK || answers[0].Header.Get("Upgrade") != "" {
		t.Errorf("an upgrade: %v, want 200 in HTTP/1.1", statusesOf(answers))
	}
}

func hostileHosts(t *testing.T, a *authority) {
	const path = "/.well-known/openid-configuration"
	want := send(t, http.MethodGet, a.URL+path, "", "").Body
	refused := map[string]string{
		"two hosts": "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", "no host": "GET " + path + " HTTP/1.1\r\n\r\n",
		"a host with a space": "GET " + path + " HTTP/1.1\r\nHost: a b\r\n\r\n", "a host that is a path": "GET " + path + " HTTP/1.1\r\nHost: a/b\r\n\r\n",
	}
	for what, request := range refused {
		wantWire(t, a, what, strings.NewReader(request), http.StatusBadRequest)
	}
	misdirected := map[string]string{
		"another host": "GET " + path + " HTTP/1.1\r\nHost: evil.example\r\n", "an empty host": "GET " + path + " HTTP/1.1\r\nHost:\r\n",
		"a port": "GET " + path + " HTTP/1.1\r\nHost: x:99999\r\n", "an absolute target": "GET http://evil.example" + path + " HTTP/1.1\r\nHost: localhost\r\n",
		"another host that registers": "POST /api/authentication/register HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n",
	}
	for what, request := range misdirected {
		wantWire(t, a, what, strings.NewReader(request+"Connection: close\r\n\r\n"), http.StatusMisdirectedRequest)
	}
	for what, request := range map[string]string{
		"HTTP/1.0 without host": "GET " + path + " HTTP/1.0\r\n\r\n", "a forwarded host": "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n",
	} {
		if got := wantWire(t, a, what, strings.NewReader(request), http.StatusOK); !bytes.Equal(got.Body, want) {
			t.Errorf("%s changed the metadata: %s", what, got.Body)
		}
	}
}

// forgedForwarding reads the address that the log has for each request.
func forgedForwarding(t *testing.T, shared *authority) {
	proxied := startEmbedded(t, "MINTMARK_TRUSTED_PROXIES=127.0.0.1,10.0.0.0/8")
	tests := []struct {
		what string
		a    *authority
		sent []string
		want string
	}{
		{"an untrusted peer", shared, []string{"203.0.113.5"}, "127.0.0.1"},
		{"an untrusted peer with a list", shared, []string{"203.0.113.5, 10.0.0.1"}, "127.0.0.1"},
		{"no header", proxied, nil, "127.0.0.1"},
		{"one address", proxied, []string{"203.0.113.5"}, "203.0.113.5"},
		{"a forged one before it", proxied, []string{"6.6.6.6, 203.0.113.5"}, "203.0.113.5"},
		{"a trusted proxy behind it", proxied, []string{"6.6.6.6, 203.0.113.5, 10.1.2.3"}, "203.0.113.5"},
		{"in two fields", proxied, []string{"6.6.6.6", "203.0.113.5"}, "203.0.113.5"},
		{"only proxies", proxied, []string{"10.1.1.1, 10.1.2.3"}, "10.1.1.1"},
		{"IPv6", proxied, []string{"2001:db8::5"}, "2001:db8::5"},
		{"IPv4 in IPv6", proxied, []string{"::ffff:203.0.113.5"}, "203.0.113.5"},
		{"a zone", proxied, []string{"fe80::1%eth0"}, "fe80::1"},
		{"a malformed one behind", proxied, []string{"203.0.113.5, garbage"}, "127.0.0.1"},
		{"a malformed one before", proxied, []string{"garbage, 203.0.113.5"}, "203.0.113.5"},
		{"a port", proxied, []string{"203.0.113.5:80"}, "203.0.113.5"},
		{"a port of IPv6", proxied, []string{`6.6.6.6, "[2001:db8::1]:443", 10.1.2.3:8080`}, "2001:db8::1"},
		{"an unreadable one in the middle", proxied, []string{"6.6.6.6, unknown, 10.1.2.3"}, "10.1.2.3"},
		{"a line in the log", proxied, []string{"203.0.113.5\t\",\"status\":\"forged"}, "127.0.0.1"},
	}
	for _, test := range tests {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, test.a.URL+"/livez", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header["X-Forwarded-For"] = test.sent
		if got := servedAddress(t, test.a, do(t, req).Header.Get("X-Request-Id")); got != test.want {
			t.Errorf("%s: %s, want %s", test.what, got, test.want)
		}
	}
}

// servedAddress is the caller's address in the log line about a request.
func servedAddress(t testing.TB, a *authority, requestID string) string {
	t.Helper()
	var line struct{ Address string }
	eventually(t, func() bool { // the line comes after the answer
		for text := range strings.Lines(a.Log.String()) {
			if strings.Contains(text, `"msg":"served"`) && strings.Contains(text, requestID) {
				return json.Unmarshal([]byte(text), &line) == nil
			}
		}
		return false
	})
	return line.Address
}

func otherMethods(t *testing.T, a *authority) {
	allowed := make(map[string][]string)
	for _, r := range httpapi.PublicRoutes() {
		allowed[r.Path] = append(allowed[r.Path], r.Method)
	}
	for path, methods := range allowed {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW", "get"} {
			if slices.Contains(methods, method) {
				continue
			}
			got := send(t, method, a.URL+path, "", "")
			if got.Status != http.StatusMethodNotAllowed || !strings.Contains(got.Header.Get("Allow"), methods[0]) {
				t.Errorf("%s %s: %d, Allow %q, want 405 and %s", method, path, got.Status, got.Header.Get("Allow"), methods)
			}
		}
		if slices.Contains(methods, http.MethodHead) {
			if got := send(t, http.MethodHead, a.URL+path, "", ""); got.Status >= 500 || got.Status == http.StatusMethodNotAllowed || len(got.Body) > 0 {
				t.Errorf("HEAD %s: %d and %d bytes, want the header of GET", path, got.Status, len(got.Body))
			}
		}
		for _, name := range []string{"X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, a.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set(name, methods[0])
			if got := do(t, req); got.Status != http.StatusMethodNotAllowed {
				t.Errorf("PATCH %s with %s: %d, want 405", path, name, got.Status)
			}
		}
	}
	for _, request := range []string{"CONNECT localhost:443", "CONNECT /livez", "OPTIONS *", "TRACE *"} {
		wantWire(t, a, request, strings.NewReader(request+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), http.StatusMethodNotAllowed, http.StatusNotFound, http.StatusBadRequest)
	}
}

func pathTricks(t *testing.T, a *authority) {
	for _, path := range []string{"/admin", "/admin/v1/users", "/metrics", "/console", "/debug/pprof/", "/debug/vars"} {
		name := path[1:]
		for _, trick := range []string{
			path, "/" + path, "/." + path, "/oauth/.." + path, "/livez/.." + path, "/.well-known/%2e%2e" + path, "/oauth/..%2f" + name, fmt.Sprintf("/%%%02x%s", name[0], name[1:]),
			path + ";x", path + "/", path + "%00", path + "%20", path + "?x", strings.ToUpper(path), "/api/authentication/.." + path, "/api/authentication/../.." + path, "\\" + name, "/%5c" + name,
		} {
			got := wantWire(t, a, trick, strings.NewReader("GET "+trick+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), http.StatusNotFound, http.StatusBadRequest)
			if got.Header.Get("Location") != "" {
				t.Errorf("%s: redirected to %q", trick, got.Header.Get("Location"))
			}
		}
	}
	limited := startEmbedded(t, "MINTMARK_RATE_LOGIN=1/h,1/h")
	for i, path := range []string{"/api/authentication/login", "/API/Authentication/LOGIN", "/%61pi/authentication/login"} {
		want := []int{http.StatusBadRequest, http.StatusTooManyRequests, http.StatusTooManyRequests}[i] // the same limit for every spelling
		if got := send(t, http.MethodPost, limited.URL+path, "application/json", credentials("nobody", "x")); got.Status != want {
			t.Errorf("%s: %d, want %d", path, got.Status, want)
		}
	}
}

func protectiveHeaders(t *testing.T, a *authority) {
	get := func(method, path, contentType, body string) answer {
		return send(t, method, a.URL+path, contentType, body)
	}
	answers := map[string]answer{
		"200": get("GET", "/livez", "", ""), "metadata": get("GET", "/.well-known/openid-configuration", "", ""), "jwks": get("GET", "/.well-known/jwks.json", "", ""),
		"openapi": get("GET", "/openapi.yaml", "", ""), "400": get("POST", "/api/authentication/login", "application/json", "x"), "401": get("POST", "/oauth/token", "application/x-www-form-urlencoded", "x=y"),
		"404": get("GET", "/nothing", "", ""), "404 of the API": get("GET", "/api/authentication/nothing", "", ""), "405": get("DELETE", "/livez", "", ""),
		"413": get("POST", "/oauth/token", "application/x-www-form-urlencoded", strings.Repeat("x", 65<<10)), "414": get("GET", "/livez?"+strings.Repeat("x", 9<<10), "", ""),
		"metrics": send(t, "GET", a.Ops+"/metrics", "", ""), "404 of operations": send(t, "GET", a.Ops+"/nothing", "", ""),
	}
	want := map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Server": "", "X-Powered-By": "", "Strict-Transport-Security": "",
	}
	for what, got := range answers {
		for name, value := range want {
			if got.Header.Get(name) != value {
				t.Errorf("%s: %s is %q, want %q", what, name, got.Header.Get(name), value)
			}
		}
		if got.Header.Get("Content-Type") == "" {
			t.Errorf("%s: no content type", what)
		}
	}
	secure := startEmbedded(t, "MINTMARK_ISSUER=https://auth.example.com")
	if got := send(t, "GET", secure.URL+"/nothing", "", "").Header.Get("Strict-Transport-Security"); !strings.HasPrefix(got, "max-age=") {
		t.Errorf("behind https: Strict-Transport-Security is %q", got)
	}
}

// panickingHandler runs the transport over a part that panics with a secret.
func panickingHandler(t *testing.T, _ *authority) {
	log := &syncBuffer{}
	api, err := httpapi.New(httpapi.Config{
		Issuer: "http://localhost:1", PublicHosts: httpapi.AnyHost(), Observer: telemetry.NewMetrics(), Log: slog.New(slog.NewJSONHandler(log, nil)),
		Ready: func() error { panic("canary " + testPassword) },
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api.Public())
	t.Cleanup(server.Close)
	a := &authority{URL: server.URL, Log: log}
	answers, hungUp := wire(t, a, strings.NewReader("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	if len(answers) != 1 || answers[0].Status != http.StatusInternalServerError || string(answers[0].Body) != `{"error":"server_error"}` || !hungUp {
		t.Errorf("%v, hung up: %v; want 500 server_error and the end", answers, hungUp)
	}
	if got := send(t, http.MethodGet, server.URL+"/livez", "", ""); got.Status != http.StatusOK {
		t.Errorf("the next request: %d, want 200", got.Status)
	}
	text := log.String()
	if !strings.Contains(text, "panickingHandler") || strings.Contains(text, "canary") || strings.Contains(text, "goroutine") {
		t.Errorf("the log must tell the place of the panic, and neither its value nor the stack: %s", text)
	}
}
