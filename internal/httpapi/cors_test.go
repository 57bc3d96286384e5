package httpapi

import "testing"

// TestPagesOfThisMachineAreKnownByTheirOrigin, whatever looks like one.
func TestPagesOfThisMachineAreKnownByTheirOrigin(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]bool{
		"http://localhost": true, "http://localhost:3000": true, "http://127.0.0.1:5173": true, "http://[::1]:8080": true, "http://[::1]": true,
		"": false, "null": false, "*": false, "https://localhost:3000": false, "http://localhost.example.com": false,
		"http://localhost:3000.example.com": false, "http://localhost:": false, "http://localhost:65536": false, "http://localhost:-1": false,
		"http://127.0.0.1.example.com": false, "http://127.0.0.2": false, "http://user@localhost": false, "http://localhost/": false,
		"http://example.com:3000": false, "file://": false, "http://[::1": false, "HTTP://localhost": false,
	} {
		if got := fromLoopback(origin); got != want {
			t.Errorf("%q: %v, want %v", origin, got, want)
		}
	}
	for _, c := range []struct {
		loopback bool
		listed   []string
		want     string
	}{{true, nil, "http://localhost:3000"}, {false, nil, ""}, {false, []string{"http://localhost:3000"}, "http://localhost:3000"}} {
		s := &Server{Config: Config{LoopbackOrigins: c.loopback, CORSOrigins: c.listed}}
		if got := s.allowedOrigin(listedOrigins, "http://localhost:3000"); got != c.want {
			t.Errorf("%+v: %q, want %q", c, got, c.want)
		}
		if got := s.allowedOrigin(noOrigin, "http://localhost:3000"); got != "" {
			t.Errorf("%+v: %q for a path that no page may call", c, got)
		}
	}
}
