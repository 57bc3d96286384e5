package verifier_test

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

func Example() {
	v, err := verifier.New("https://auth.example.com", "https://auth.example.com")
	if err != nil {
		panic(err)
	}
	defer v.Close()
	orders := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := verifier.FromContext(r.Context())
		fmt.Fprintf(w, "orders of %s, asked for by %s", token.Subject, token.ClientID)
	})
	mux := http.NewServeMux()
	mux.Handle("GET /orders", v.Require()(orders))
}

// A service that sends users back for a second factor before they pay, and tells clients where they get tokens.
func ExampleVerifier_Enforce() {
	v, err := verifier.New("https://auth.example.com", "https://auth.example.com",
		verifier.WithResourceMetadata(verifier.Resource{Name: "Orders", Scopes: []string{"orders:read", "orders:pay"}}))
	if err != nil {
		panic(err)
	}
	defer v.Close()
	pay := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux := http.NewServeMux()
	mux.Handle(v.ResourceMetadata())
	mux.Handle("POST /payments", v.Enforce(verifier.Policy{
		Scopes: []string{"orders:pay"},
		ACR:    []string{"urn:example:mfa"},
		MaxAge: 5 * time.Minute,
	})(pay))
}

// Whatever does not come over net/http is checked by Verify.
func ExampleVerifier_Verify() {
	v, err := verifier.New("https://auth.example.com", "https://auth.example.com")
	if err != nil {
		panic(err)
	}
	defer v.Close()
	handle := func(r *http.Request, raw string) string {
		token, err := v.Verify(r.Context(), raw)
		switch {
		case errors.Is(err, verifier.ErrInvalidToken):
			return "go and get another token"
		case err != nil:
			return "try again later"
		}
		return "orders of " + token.Subject
	}
	_ = handle
}

// DPoP for a service whose clients reach it by another name than its audience.
func ExampleWithDPoP() {
	v, err := verifier.New("https://auth.example.com", "orders",
		verifier.WithDPoP(verifier.DPoPRequired), verifier.WithURL("https://orders.example.com"))
	if err != nil {
		panic(err)
	}
	defer v.Close()
}
