package token_test

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/mintmark-auth/mintmark/internal/token"
)

// TestTheClaimsAreThoseOfTheStandardAndNoOthers: each is where RFC 9068 §2.2 wants it, to
// the byte, and its times are whole seconds.
func TestTheClaimsAreThoseOfTheStandardAndNoOthers(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	raw, err := k.signer.Sign(token.Claims{
		Issuer: issuer, Subject: "alice", Audiences: []string{"https://api.example.com"}, ClientID: "first-party", SessionID: "s1", ID: "j1",
		AuthTime: at.Add(-time.Hour + 999*time.Millisecond), IssuedAt: at.Add(999 * time.Millisecond), Expiry: at.Add(5 * time.Minute),
		Status: &token.Status{Index: 7, URI: issuer + "/oauth/status-lists/0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := jws.Verify([]byte(raw), jws.WithKey(jwa.RS256, &k.private.PublicKey))
	const want = `{"iss":"https://auth.example.com","sub":"alice","aud":"https://api.example.com","exp":1767323345,"iat":1767323045,` +
		`"jti":"j1","client_id":"first-party","sid":"s1","auth_time":1767319445,` +
		`"status":{"status_list":{"idx":7,"uri":"https://auth.example.com/oauth/status-lists/0"}}}`
	if err != nil || string(payload) != want {
		t.Errorf("claims %s, %v; want %s", payload, err, want)
	}
	if k.signer.KID() != "k1" {
		t.Errorf("the key is %q, want k1", k.signer.KID())
	}
}

// TestWhatATokenDoesNotHaveIsAbsent, and what it has is where the standards want it and is
// read back.
func TestWhatATokenDoesNotHaveIsAbsent(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	least := token.Claims{Issuer: issuer, Subject: "orders", ClientID: "orders", ID: "j1", IssuedAt: at, Expiry: at.Add(time.Minute)}
	with := func(change func(*token.Claims)) token.Claims {
		c := least
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		claims token.Claims
		wire   string // what comes after the least
	}{
		"the least":              {least, ``},
		"two audiences":          {with(func(c *token.Claims) { c.Audiences = []string{"a", "b"} }), `,"aud":["a","b"]`},
		"one audience":           {with(func(c *token.Claims) { c.Audiences = []string{"a"} }), `,"aud":"a"`},
		"a session":              {with(func(c *token.Claims) { c.SessionID, c.AuthTime = "s1", at }), `,"sid":"s1","auth_time":1767323045`},
		"a scope":                {with(func(c *token.Claims) { c.Scope = "read write" }), `,"scope":"read write"`},
		"how they authenticated": {with(func(c *token.Claims) { c.ACR, c.AMR = "2", []string{"pwd", "otp"} }), `,"acr":"2","amr":["pwd","otp"]`},
		"a key":                  {with(func(c *token.Claims) { c.JKT = []byte{0xfb, 0xff} }), `,"cnf":{"jkt":"-_8"}`},
		"actors": {with(func(c *token.Claims) { c.Actor = &token.Actor{Subject: "b", Before: &token.Actor{Subject: "a"}} }),
			`,"act":{"sub":"b","act":{"sub":"a"}}`},
	} {
		raw, err := k.signer.Sign(c.claims)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])
		var got, want map[string]any
		_ = json.Unmarshal(payload, &got)
		_ = json.Unmarshal([]byte(`{"iss":"https://auth.example.com","sub":"orders","exp":1767323105,"iat":1767323045,"jti":"j1","client_id":"orders"`+c.wire+`}`), &want)
		if diff := cmp.Diff(got, want); diff != "" || err != nil {
			t.Errorf("%s: %v (-got +want):\n%s", name, err, diff)
		}
		read, err := token.Parse(raw, issuer, k.public)
		if diff := cmp.Diff(read, c.claims); diff != "" || err != nil {
			t.Errorf("%s is read as something else: %v (-got +want):\n%s", name, err, diff)
		}
	}
}

func TestAStatusListSaysItsType(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	raw, err := k.signer.SignStatusList(token.StatusList{URI: issuer, IssuedAt: at, Expiry: at.Add(time.Hour), TTL: 2999 * time.Millisecond, Compressed: []byte{0xfb, 0xff}})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(raw, ".")
	for i, want := range []string{
		`{"alg":"RS256","typ":"statuslist+jwt","kid":"k1"}`,
		`{"sub":"https://auth.example.com","iat":1767323045,"exp":1767326645,"ttl":2,"status_list":{"bits":1,"lst":"-_8"}}`,
	} {
		if got, err := base64.RawURLEncoding.DecodeString(parts[i]); err != nil || string(got) != want {
			t.Errorf("part %d is %s, %v; want %s", i, got, err, want)
		}
	}
}

// signed signs any header and payload with the key, as RS256 does.
func (k keyPair) signed(tb testing.TB, header, payload string) string {
	tb.Helper()
	rs256, err := jws.NewSigner(jwa.RS256)
	if err != nil {
		tb.Fatal(err)
	}
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	signature, err := rs256.Sign([]byte(input), k.private)
	if err != nil {
		tb.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// TestAGoodSignatureAloneIsNotEnough: each row is signed by our key, and wrong in one way.
func TestAGoodSignatureAloneIsNotEnough(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	payload, err := json.Marshal(map[string]any{"iss": issuer, "sub": "alice", "exp": at.Unix()})
	if err != nil {
		t.Fatal(err)
	}
	const header = `{"alg":"RS256","typ":"at+jwt","kid":"k1"}`
	good := k.signed(t, header, string(payload))
	if got, err := token.Parse(good, issuer, k.public); err != nil || got.Subject != "alice" || !got.Expiry.Equal(at) {
		t.Fatalf("the good one: %+v, %v", got, err)
	}
	parts := strings.Split(good, ".")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, good[len(good)-1])
	for name, raw := range map[string]string{
		"another algorithm":       k.signed(t, `{"alg":"PS256","typ":"at+jwt","kid":"k1"}`, string(payload)),
		"no algorithm":            k.signed(t, `{"typ":"at+jwt","kid":"k1"}`, string(payload)),
		"the algorithm's case":    k.signed(t, `{"alg":"rs256","typ":"at+jwt","kid":"k1"}`, string(payload)),
		"another type":            k.signed(t, `{"alg":"RS256","typ":"JWT","kid":"k1"}`, string(payload)),
		"no type":                 k.signed(t, `{"alg":"RS256","kid":"k1"}`, string(payload)),
		"no kid":                  k.signed(t, `{"alg":"RS256","typ":"at+jwt"}`, string(payload)),
		"a header that is none":   k.signed(t, `RS256`, string(payload)),
		"a payload that is none":  k.signed(t, header, `alice`),
		"a payload of text":       k.signed(t, header, `"alice"`),
		"another issuer":          k.signed(t, header, `{"iss":"https://auth.example.com/","sub":"alice"}`),
		"no issuer":               k.signed(t, header, `{"sub":"alice"}`),
		"a key that is no key":    k.signed(t, header, `{"iss":"https://auth.example.com","sub":"alice","cnf":{"jkt":"+/"}}`),
		"an audience of numbers":  k.signed(t, header, `{"iss":"https://auth.example.com","sub":"alice","aud":[1]}`),
		"spare bits":              good[:len(good)-1] + alphabet[last|1:][:1],
		"a line feed":             good[:len(good)-10] + "\n" + good[len(good)-10:],
		"a carriage return":       good[:len(good)-10] + "\r" + good[len(good)-10:],
		"a line feed in front":    "\n" + good,
		"two parts":               parts[0] + "." + parts[1],
		"two parts and a dot":     parts[0] + "." + parts[1] + ".",
		"a header with line ends": parts[0] + "\n." + parts[1] + "." + parts[2],
	} {
		if got, err := token.Parse(raw, issuer, k.public); !errors.Is(err, token.ErrToken) || !cmp.Equal(got, token.Claims{}) {
			t.Errorf("%s: %+v, %v; want %v", name, got, err, token.ErrToken)
		}
	}
}

// TestATokenIsReadUpToItsBound, which is far above that of any of ours.
func TestATokenIsReadUpToItsBound(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	const (
		header = `{"alg":"RS256","typ":"at+jwt","kid":"k1" }` // of 42 octets, 56 in base64
		bound  = 16 << 10
		filled = (bound - 56 - 342 - 2) / 4 * 3
	)
	payload := `{"iss":"` + issuer + `"`
	for size, want := range map[int]int{filled: bound, filled + 1: bound + 2} {
		raw := k.signed(t, header, payload+strings.Repeat(" ", size-len(payload)-1)+"}")
		if len(raw) != want {
			t.Fatalf("a token of %d octets, want %d", len(raw), want)
		}
		if _, err := token.Parse(raw, issuer, k.public); (err == nil) != (want == bound) {
			t.Errorf("%d octets: %v", want, err)
		}
	}
}

// broken is a key that can't sign at the moment, as one in a module of hardware may be.
type broken struct{ *rsa.PrivateKey }

var errBroken = errors.New("the module is gone")

func (broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, errBroken }

func TestAKeyThatCannotSignGivesNoToken(t *testing.T) {
	t.Parallel()
	signer, err := token.NewSigner("k1", broken{newKey(t).private})
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := signer.Sign(claims()); !errors.Is(err, errBroken) || raw != "" {
		t.Errorf("an access token %q, %v; want %v", raw, err, errBroken)
	}
	if raw, err := signer.SignStatusList(token.StatusList{URI: issuer}); !errors.Is(err, errBroken) || raw != "" {
		t.Errorf("a status list %q, %v; want %v", raw, err, errBroken)
	}
}

func TestAnIDHas128Bits(t *testing.T) {
	t.Parallel()
	var all [16]byte
	for range 200 {
		id, err := base64.RawURLEncoding.Strict().DecodeString(token.NewID())
		if err != nil || len(id) != 16 {
			t.Fatalf("%x, %v; want 16 octets", id, err)
		}
		for i, octet := range id {
			all[i] |= octet
		}
	}
	for i, octet := range all {
		if octet != 0xff {
			t.Errorf("some bits of octet %d are never set: %08b", i, octet)
		}
	}
}
