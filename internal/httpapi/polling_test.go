package httpapi

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/token"
	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// TestAVerifierHearsOfARevocationWhereEveryPlaceIsTaken: callers that take all places must not
// be able to stop revocation.
func TestAVerifierHearsOfARevocationWhereEveryPlaceIsTaken(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := token.NewSigner("k1", key)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	var revoked revokedOnce
	lists := revocation.New(revocation.Config{
		Issuer: server.URL, Store: &revoked, Signer: func(time.Time) (*token.Signer, error) { return signer, nil },
	})
	s := newListing(t, lists)
	s.waiters = newPlaces(1, (1+1)/2)
	if !s.waiters.take("somebody else") || s.Lists.Refresh(t.Context()) != nil {
		t.Fatal("no place, or no list")
	}
	mux.Handle("/oauth/", s.Public())
	mux.HandleFunc("/.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, server.URL, server.URL+"/jwks.json")
	})
	mux.HandleFunc("/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"RSA","kid":"k1","e":"AQAB","n":%q}]}`, base64.RawURLEncoding.EncodeToString(key.N.Bytes()))
	})

	at, now := int64(7), time.Now()
	raw, err := signer.Sign(token.Claims{
		Issuer: server.URL, Subject: "ada", Audiences: []string{"orders"}, ClientID: "c", ID: "j", SessionID: "s",
		AuthTime: now, IssuedAt: now, Expiry: now.Add(time.Hour), Status: lists.Reference(&at),
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(server.URL, "orders", verifier.WithLogger(slog.New(slog.DiscardHandler)), verifier.WithStatus(verifier.StatusFailClosed))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	if _, err := v.Verify(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	revoked.index.Store(at)
	requests := time.NewTicker(10 * time.Millisecond)
	defer requests.Stop()
	for range 6000 {
		// As the authority's own loop does it; a replica that has not read for two seconds says nothing.
		if err := s.Lists.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), raw); errors.Is(err, verifier.ErrInvalidToken) {
			return
		}
		<-requests.C
	}
	t.Error("the token of a revoked session is still accepted")
}

// revokedOnce is a store in which the session at index is revoked, if that is not 0.
type revokedOnce struct{ index atomic.Int64 }

func (r *revokedOnce) Revoked(_ context.Context, page revocation.Page) (revocation.Reading, error) {
	reading := revocation.Reading{Now: time.Now(), Highest: 7}
	if index := r.index.Load(); index != 0 && page.Before == (revocation.Revoked{}) {
		reading.Revoked = []revocation.Revoked{{Index: index, At: reading.Now}}
	}
	return reading, nil
}
