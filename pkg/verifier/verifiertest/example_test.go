package verifiertest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
	"github.com/mintmark-auth/mintmark/pkg/verifier/verifiertest"
)

// orders is the service under test.
func orders(v *verifier.Verifier) http.Handler {
	return v.Require("orders:read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "orders of "+verifier.FromContext(r.Context()).Subject)
	}))
}

// What a test of a service looks like. In yours, t is what the test is given.
func Example() {
	t := newExampleT()
	defer t.end()

	issuer := verifiertest.NewIssuer(t)
	service := orders(issuer.Verifier())
	ask := func(token string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		return w
	}

	fmt.Println(ask(issuer.Token(verifiertest.Claims{"sub": "ada", "scope": "orders:read"})).Body)
	fmt.Println(ask(issuer.Token(verifiertest.Claims{"scope": "orders:write"})).Code)
	for name, token := range issuer.HostileTokens() {
		if got := ask(token); got.Code == http.StatusOK {
			t.Errorf("%s: it was let in", name)
		}
	}
	// Output:
	// orders of ada
	// 403
}

// exampleT stands in for the *testing.T that an example is not given.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func newExampleT() *exampleT                       { return &exampleT{} }
func (t *exampleT) Helper()                        {}
func (t *exampleT) Context() context.Context       { return context.Background() }
func (t *exampleT) Cleanup(f func())               { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Fatal(args ...any)              { panic(fmt.Sprint(args...)) }
func (t *exampleT) Errorf(format string, a ...any) { fmt.Printf(format+"\n", a...) }

func (t *exampleT) end() {
	for _, cleanup := range slices.Backward(t.cleanups) {
		cleanup()
	}
}
