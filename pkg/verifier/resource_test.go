package verifier_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

func TestAResourceDescribesItselfByRFC9728(t *testing.T) {
	t.Parallel()
	full := verifier.Resource{Name: "Orders", Scopes: []string{"orders:read", "orders:write"}, Documentation: "https://docs.example.com"}
	for name, c := range map[string]struct {
		audience  string
		opts      []verifier.Option
		path      string
		challenge string
		document  string
	}{
		"least": {
			"https://orders.example.com", []verifier.Option{verifier.WithResourceMetadata(verifier.Resource{})},
			"/.well-known/oauth-protected-resource", "https://orders.example.com/.well-known/oauth-protected-resource",
			`{"resource":"https://orders.example.com","authorization_servers":["https://auth.example.com"],"bearer_methods_supported":["header"]}`,
		},
		"with a path": {
			"https://api.example.com/orders/", []verifier.Option{verifier.WithResourceMetadata(verifier.Resource{})},
			"/.well-known/oauth-protected-resource/orders", "https://api.example.com/.well-known/oauth-protected-resource/orders",
			`{"resource":"https://api.example.com/orders/","authorization_servers":["https://auth.example.com"],"bearer_methods_supported":["header"]}`,
		},
		"all": {
			"orders", []verifier.Option{verifier.WithResourceMetadata(full), verifier.WithURL("https://api.example.com"), verifier.WithDPoP(verifier.DPoPRequired)},
			"/.well-known/oauth-protected-resource", "https://api.example.com/.well-known/oauth-protected-resource",
			`{"resource":"https://api.example.com","authorization_servers":["https://auth.example.com"],"scopes_supported":["orders:read","orders:write"],` +
				`"bearer_methods_supported":["header"],"resource_name":"Orders","resource_documentation":"https://docs.example.com",` +
				`"dpop_signing_alg_values_supported":["ES256","ES384","EdDSA","PS256","RS256"],"dpop_bound_access_tokens_required":true}`,
		},
	} {
		v, err := verifier.New(issuerURL, c.audience, c.opts...)
		if err != nil {
			t.Fatal(err)
		}
		path, handler := v.ResourceMetadata()
		if path != c.path {
			t.Errorf("%s: path %s, want %s", name, path, c.path)
		}
		mux := http.NewServeMux()
		mux.Handle(v.ResourceMetadata())
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		if diff := cmp.Diff(w.Body.String(), c.document); diff != "" {
			t.Errorf("%s: document (-got +want):\n%s", name, diff)
		}
		w = httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil))
		if w.Code != 405 || w.Header().Get("Allow") == "" {
			t.Errorf("%s: POST: %d %v", name, w.Code, w.Header())
		}
		for _, authorization := range []string{"", "Bearer garbage", "DPoP garbage"} {
			w = httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Authorization", authorization)
			v.Require()(http.NotFoundHandler()).ServeHTTP(w, r)
			if got := w.Header().Get("WWW-Authenticate"); !strings.HasSuffix(got, `, resource_metadata="`+c.challenge+`"`) {
				t.Errorf("%s: challenge %s", name, got)
			}
		}
	}
}

func TestResourceMetadataThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		audience string
		resource verifier.Resource
	}{
		"no URL": {"orders", verifier.Resource{}}, "scopes in one": {audience, verifier.Resource{Scopes: []string{"a b"}}},
		"relative documentation": {audience, verifier.Resource{Documentation: "/docs"}}, "a script": {audience, verifier.Resource{Documentation: "javascript:alert(1)"}},
	} {
		if _, err := verifier.New(issuerURL, c.audience, verifier.WithResourceMetadata(c.resource)); err == nil {
			t.Errorf("New accepted: %s", name)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("ResourceMetadata without its option did not panic")
		}
	}()
	newIssuer(firstKey()).verifier(t).ResourceMetadata()
}
