package verifier_test

import (
	"fmt"
	"net/http"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

func Example() {
	v, err := verifier.New("https://auth.example.com", "https://orders.example.com")
	if err != nil {
		panic(err)
	}
	orders := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := verifier.FromContext(r.Context())
		fmt.Fprintf(w, "orders of %s, asked for by %s", token.Subject, token.ClientID)
	})
	mux := http.NewServeMux()
	mux.Handle("GET /orders", v.Require("orders:read")(orders))
}
