package verifiertest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// Verified returns a verified token, made from a valid token with these changes. It is for tests of handlers: put it
// into the context with [verifier.WithToken], and the handler finds it with [verifier.FromContext]. No request leaves
// the process.
//
//	token := verifiertest.Verified(t, verifiertest.Claims{"sub": "ada", "scope": "orders:read"})
//	r = r.WithContext(verifier.WithToken(r.Context(), token))
//
// The test fails if the changes make the token invalid.
func Verified(tb testing.TB, changes ...Change) *verifier.Token {
	tb.Helper()
	i := newIssuer(tb)
	i.url = "https://issuer.example.com"
	client := &http.Client{Transport: inProcess{i.handler()}}
	v := i.Verifier(verifier.WithHTTPClient(client), verifier.WithStatus(verifier.StatusOff))
	defer v.Close()
	token, err := v.Verify(tb.Context(), i.Token(changes...))
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// inProcess is a transport that calls a handler.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result(), nil
}
