package client_test

import (
	"slices"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/client"
)

// TestAClientAuthenticatesByItsOwnMethodOnly; why one is refused is not said.
func TestAClientAuthenticatesByItsOwnMethodOnly(t *testing.T) {
	t.Parallel()
	open, closed := client.Client{ID: "open", Kind: client.Public}, client.Client{ID: "closed", Kind: client.Confidential}
	disabled := client.Client{ID: "disabled", Kind: client.Public, DisabledAt: time.Unix(0, 0)}
	store := &table{}
	for _, c := range []client.Client{open, closed, disabled} {
		store.set(c)
	}
	directory := client.NewDirectory(store)
	refresh(t, directory)
	for _, id := range []string{"open", "closed", "disabled", "unknown", ""} {
		for _, method := range []client.Method{client.MethodNone, client.MethodSecretBasic, client.MethodSecretPost, ""} {
			got, err := directory.Authenticate(t.Context(), client.Credentials{ClientID: id, Method: method})
			if err == nil && !slices.Contains(client.Methods(), method) {
				t.Errorf("%s authenticates by %s, which no list names", id, method)
			}
			if id == "open" && method == client.MethodNone {
				if err != nil || got.ID != id {
					t.Errorf("%s by %s: %+v, %v", id, method, got, err)
				}
			} else if err != client.ErrAuthentication || got.ID != "" { //nolint:errorlint // bare, as every refusal
				t.Errorf("%s by %s: %+v, %v; want %v", id, method, got, err, client.ErrAuthentication)
			}
		}
	}
}
