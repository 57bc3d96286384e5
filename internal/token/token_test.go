package token_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/mintmark-auth/mintmark/internal/token"
)

const issuer = "https://auth.example.com"

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func claims() token.Claims {
	return token.Claims{
		Issuer: issuer, Subject: "0190", Audiences: []string{"https://api.example.com"}, ClientID: "first-party",
		SessionID: "0191", ID: token.NewID(), AuthTime: at, IssuedAt: at, Expiry: at.Add(5 * time.Minute),
	}
}

type keyPair struct {
	private *rsa.PrivateKey
	signer  *token.Signer
}

func newKey(t testing.TB) keyPair {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := token.NewSigner("k1", private)
	if err != nil {
		t.Fatal(err)
	}
	return keyPair{private, signer}
}

func (k keyPair) public(kid string) (*rsa.PublicKey, bool) { return &k.private.PublicKey, kid == "k1" }

func TestAccessTokenIsAnRFC9068Token(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	raw, err := k.signer.Sign(claims())
	if err != nil {
		t.Fatal(err)
	}
	payload, err := jws.Verify([]byte(raw), jws.WithKey(jwa.RS256, &k.private.PublicKey))
	if err != nil {
		t.Fatalf("a JOSE library refuses it: %v", err)
	}
	var got map[string]any
	if err := json.Unmarshal(payload, &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "sid", "auth_time"} {
		if got[name] == nil {
			t.Errorf("claim %s is missing", name)
		}
	}
	header, err := base64.RawURLEncoding.DecodeString(raw[:strings.IndexByte(raw, '.')])
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"alg":"RS256","typ":"at+jwt","kid":"k1"}`; string(header) != want {
		t.Errorf("header: got %s, want %s", header, want)
	}
}

func TestParseReadsBackWhatWasSigned(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	for _, status := range []*token.Status{nil, {Index: 0, URI: issuer + "/oauth/status-lists/0"}, {Index: 131071, URI: "x"}} {
		want := claims()
		want.Status = status
		raw, err := k.signer.Sign(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := token.Parse(raw, issuer, k.public)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
	}
}

// TestTheStatusIsThatOfTheDraft: draft-ietf-oauth-status-list §6.2, and no claim for a
// token that is in no list.
func TestTheStatusIsThatOfTheDraft(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	for want, status := range map[string]*token.Status{
		"": nil, `{"status_list":{"idx":0,"uri":"https://auth.example.com/oauth/status-lists/3"}}`: {URI: issuer + "/oauth/status-lists/3"},
	} {
		c := claims()
		c.Status = status
		raw, err := k.signer.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Status json.RawMessage }
		if err := json.Unmarshal(payload, &got); err != nil {
			t.Fatal(err)
		}
		if string(got.Status) != want {
			t.Errorf("status %s, want %s", got.Status, want)
		}
	}
}

// TestAStatusListIsNotAnAccessToken, though the same key signs it (RFC 8725 §3.11).
func TestAStatusListIsNotAnAccessToken(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	raw, err := k.signer.SignStatusList(token.StatusList{URI: issuer, IssuedAt: at, Expiry: at.Add(time.Hour), TTL: 3 * time.Second, Compressed: []byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := jws.Verify([]byte(raw), jws.WithKey(jwa.RS256, &k.private.PublicKey))
	if want := `{"sub":"https://auth.example.com","iat":1767323045,"exp":1767326645,"ttl":3,"status_list":{"bits":1,"lst":"AQ"}}`; err != nil || string(payload) != want {
		t.Errorf("%s, %v; want %s", payload, err, want)
	}
	if _, err := token.Parse(raw, issuer, k.public); !errors.Is(err, token.ErrToken) {
		t.Errorf("read as an access token: %v, want %v", err, token.ErrToken)
	}
}

func TestParseRefusesWhatWeDidNotSign(t *testing.T) {
	t.Parallel()
	k, other := newKey(t), newKey(t)
	good, err := k.signer.Sign(claims())
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.signer.Sign(claims())
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := token.NewSigner("k2", k.private)
	if err != nil {
		t.Fatal(err)
	}
	otherKID, err := unknown.Sign(claims())
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt","kid":"k1"}`))
	idToken := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT","kid":"k1"}`))
	cases := map[string]string{
		"empty":                   "",
		"another key":             foreign,
		"unknown kid":             otherKID,
		"alg none":                none + "." + parts[1] + ".",
		"another type":            idToken + "." + parts[1] + "." + parts[2],
		"no signature":            parts[0] + "." + parts[1] + ".",
		"truncated signature":     good[:len(good)-2],
		"padded signature":        good + "==",
		"newline in signature":    good[:len(good)-10] + "\n" + good[len(good)-10:],
		"four parts":              good + ".x",
		"trailing space":          good + " ",
		"larger than any of ours": strings.Repeat("a", 20<<10),
	}
	for name, raw := range cases {
		if _, err := token.Parse(raw, issuer, k.public); !errors.Is(err, token.ErrToken) {
			t.Errorf("%s: got %v, want ErrToken", name, err)
		}
	}
	if _, err := token.Parse(good, "https://other.example.com", k.public); !errors.Is(err, token.ErrToken) {
		t.Errorf("another issuer: got %v, want ErrToken", err)
	}
}

func TestIDsDoNotRepeat(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for range 100_000 {
		id := token.NewID()
		if seen[id] {
			t.Fatal("an id came twice")
		}
		seen[id] = true
	}
}

func FuzzParse(f *testing.F) {
	k := newKey(f)
	good, err := k.signer.Sign(claims())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, raw string) {
		if _, err := token.Parse(raw, issuer, k.public); err == nil && raw != good {
			t.Errorf("accepted %q", raw)
		}
	})
}
