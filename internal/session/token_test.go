package session_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
)

const issuer = "https://auth.example"

// Two root secrets for tests.
var (
	rootOne = base64.StdEncoding.EncodeToString([]byte("one: thirty-two octets for tests"))
	rootTwo = base64.StdEncoding.EncodeToString([]byte("two: thirty-two octets for tests"))
)

// mint returns a mint of one or more `id:root` entries.
func mint(tb testing.TB, issuer string, entries ...string) *session.Mint {
	tb.Helper()
	roots, err := secret.ParseRoots(strings.Join(entries, ","))
	if err != nil {
		tb.Fatal(err)
	}
	return session.NewMint(issuer, roots)
}

// token is the same at every call.
func token() session.RefreshToken {
	family := session.Family([]byte("sixteen octets!!"))
	return session.RefreshToken{Family: family, Generation: 7, IssuedAt: time.Unix(1795000000, 0).UTC()}
}

func TestATokenComesBackAsItWas(t *testing.T) {
	t.Parallel()
	m := mint(t, issuer, "1:"+rootOne)
	for _, want := range []session.RefreshToken{
		token(),
		{Family: session.NewFamily(), Generation: 1, IssuedAt: time.Unix(0, 0).UTC()},
		{Family: session.NewFamily(), Generation: 1<<32 - 1, IssuedAt: time.Unix(1<<32-1, 0).UTC()},
	} {
		got, err := m.Parse(m.Format(want))
		if err != nil {
			t.Errorf("parse: %v", err)
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("token (-got +want):\n%s", diff)
		}
	}
}

// The format is for good: tokens in the field outlive releases.
func TestTheFormatStays(t *testing.T) {
	t.Parallel()
	text := mint(t, issuer, "1:"+rootOne).Format(token())
	// Computed apart from this program: HKDF, HMAC and base64 of another language.
	const golden = "mrt_AQFzaXh0ZWVuIG9jdGV0cyEhAAAAB2r9hsAAAAAAMKaXce53ILnxsCzaGDbq1g"
	if text != golden || len(text) != 66 {
		t.Errorf("token = %q (%d characters), want %q (66)", text, len(text), golden)
	}
}

func TestTheSameTokenHasTheSameBytes(t *testing.T) {
	t.Parallel()
	one, again := mint(t, issuer, "1:"+rootOne), mint(t, issuer, "1:"+rootOne)
	if got, want := again.Format(token()), one.Format(token()); got != want {
		t.Errorf("token = %q, then %q", want, got)
	}
	fraction := token()
	fraction.IssuedAt = fraction.IssuedAt.Add(999 * time.Millisecond)
	if got, want := one.Format(fraction), one.Format(token()); got != want {
		t.Errorf("fractions of a second reach the token: %q, %q", got, want)
	}
}

func TestEveryBitCounts(t *testing.T) {
	t.Parallel()
	m := mint(t, issuer, "1:"+rootOne, "2:"+rootTwo)
	text := m.Format(token())
	octets, err := base64.RawURLEncoding.DecodeString(text[4:])
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(octets) * 8 {
		octets[i/8] ^= 1 << (i % 8)
		refuse(t, m, "mrt_"+base64.RawURLEncoding.EncodeToString(octets), fmt.Sprint("bit ", i, " flipped"))
		octets[i/8] ^= 1 << (i % 8)
	}
	for i := range len(text) {
		for _, c := range "AQgw_-+/= \n\x00é" {
			if string(c) != text[i:i+1] {
				refuse(t, m, text[:i]+string(c)+text[i+1:], fmt.Sprintf("character %d replaced by %q", i, c))
			}
		}
	}
}

func TestEveryReencodingIsRefused(t *testing.T) {
	t.Parallel()
	m := mint(t, issuer, "1:"+rootOne)
	text := m.Format(session.RefreshToken{Family: session.Family([]byte("\xff\xfe\xfb\xef\xbe sixteen oc")), Generation: 7, IssuedAt: token().IssuedAt})
	body := strings.TrimPrefix(text, "mrt_")
	octets, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		t.Fatal(err)
	}
	last := strings.IndexByte(alphabet, body[len(body)-1])
	for spare := 1; spare < 16; spare++ { // 46 octets leave 4 spare bits in 62 characters
		refuse(t, m, "mrt_"+body[:len(body)-1]+alphabet[last|spare:][:1], fmt.Sprint("spare bits ", spare))
	}
	tests := map[string]string{
		"standard alphabet": "mrt_" + base64.RawStdEncoding.EncodeToString(octets),
		"padded":            text + "==", "half padded": text + "=",
		"space after": text + " ", "space before": " " + text, "newline after": text + "\n", "newline within": text[:30] + "\n" + text[30:],
		"newline for a character": text[:65] + "\n", "carriage return within": text[:30] + "\r\n" + text[30:],
		"no prefix": body, "another prefix": "mrf_" + body, "upper-case prefix": "MRT_" + body, "two prefixes": "mrt_" + text, "prefix alone": "mrt_",
		"empty": "", "cut": text[:65], "longer": text + "A", "hexadecimal": fmt.Sprintf("mrt_%x", octets),
		"long": "mrt_" + strings.Repeat("A", 1<<20), "newlines": "mrt_" + strings.Repeat("\n", 62), "zeros": "mrt_" + strings.Repeat("A", 62), "invalid UTF-8": "mrt_" + strings.Repeat("\xff", 62),
	}
	for name, text := range tests {
		refuse(t, m, text, name)
	}
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// A later release may know more versions and flags; this one must not guess.
func TestAnUnknownVersionOrFlagIsRefused(t *testing.T) {
	t.Parallel()
	roots, err := secret.ParseRoots("1:" + rootOne)
	if err != nil {
		t.Fatal(err)
	}
	m := session.NewMint(issuer, roots)
	body, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(m.Format(token()), "mrt_"))
	if err != nil {
		t.Fatal(err)
	}
	body = body[:30]
	if got, want := sign(roots.Active(), body), m.Format(token()); got != want {
		t.Fatalf("this test signs %q, the mint %q", got, want)
	}
	for _, i := range []int{0, 26, 27, 28, 29} {
		changed := slices.Clone(body)
		changed[i] = 2
		refuse(t, m, sign(roots.Active(), changed), fmt.Sprint("octet ", i, " is 2, well signed"))
	}
}

// sign says once more, apart from the mint, how a token is signed.
func sign(root secret.Root, body []byte) string {
	h := hmac.New(sha256.New, root.Derive(secret.PurposeRefreshTokenMAC, 32))
	h.Write([]byte("mintmark/refresh-token/v1\x00\x00\x00\x14" + issuer)) // 20 octets of issuer
	h.Write(body)
	return "mrt_" + base64.RawURLEncoding.EncodeToString(append(slices.Clone(body), h.Sum(nil)[:16]...))
}

func TestATokenOfAnotherIssuerIsRefused(t *testing.T) {
	t.Parallel()
	m := mint(t, issuer, "1:"+rootOne)
	for _, other := range []string{"", "https://auth.exampl", "https://auth.example/", "https://auth.examplf"} {
		refuse(t, m, mint(t, other, "1:"+rootOne).Format(token()), "issuer "+other)
	}
}

func TestATokenOfAnotherRootIsRefused(t *testing.T) {
	t.Parallel()
	m := mint(t, issuer, "1:"+rootOne)
	refuse(t, m, mint(t, issuer, "1:"+rootTwo).Format(token()), "another root with the same id")
	refuse(t, m, mint(t, issuer, "2:"+rootOne).Format(token()), "an id this authority doesn't know")
}

func TestRootsRotate(t *testing.T) {
	t.Parallel()
	one := mint(t, issuer, "1:"+rootOne)
	appended := mint(t, issuer, "1:"+rootOne, "2:"+rootTwo) // step one: everywhere
	moved := mint(t, issuer, "2:"+rootTwo, "1:"+rootOne)    // step two: first
	dropped := mint(t, issuer, "2:"+rootTwo)
	if got, want := appended.Format(token()), one.Format(token()); got != want {
		t.Errorf("an appended root signs: %q, want %q", got, want)
	}
	if got, want := moved.Format(token()), dropped.Format(token()); got != want {
		t.Errorf("the first root does not sign: %q, want %q", got, want)
	}
	for name, m := range map[string]*session.Mint{"appended": appended, "moved": moved} {
		for signer, text := range map[string]string{"old": one.Format(token()), "new": dropped.Format(token())} {
			got, err := m.Parse(text)
			if diff := cmp.Diff(got, token()); err != nil || diff != "" {
				t.Errorf("%s, signed by the %s root: %v (-got +want):\n%s", name, signer, err, diff)
			}
		}
	}
	refuse(t, dropped, one.Format(token()), "the root that was dropped")
}

func TestATokenOfACompromisedRootIsMarked(t *testing.T) {
	t.Parallel()
	m := mint(t, issuer, "2:"+rootTwo, "1!:"+rootOne)
	for text, want := range map[string]bool{
		mint(t, issuer, "1:"+rootOne).Format(token()): true,
		m.Format(token()): false,
	} {
		got, err := m.Parse(text)
		if err != nil || got.Compromised != want {
			t.Errorf("compromised = %t, %v; want %t", got.Compromised, err, want)
		}
	}
}

func TestFamiliesAreSecretAndTheirHashesDiffer(t *testing.T) {
	t.Parallel()
	seen := map[session.FamilyHash]bool{}
	for range 1000 {
		family := session.NewFamily()
		seen[family.Hash()] = true
		if hash := family.Hash(); session.Family(hash) == family {
			t.Error("the hash is the family")
		}
	}
	if len(seen) != 1000 {
		t.Errorf("1000 families have %d hashes", len(seen))
	}
	tok := token()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, printed := range []string{fmt.Sprintf(verb, tok), fmt.Sprintf(verb, tok.Family), fmt.Sprintf(verb, &tok)} {
			if leaks(printed) {
				t.Errorf("%s prints the family: %s", verb, printed)
			}
		}
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("json", "token", tok, "family", tok.Family)
	slog.New(slog.NewTextHandler(&log, nil)).Info("text", "token", tok, "family", tok.Family)
	if leaks(log.String()) {
		t.Errorf("a log holds the family: %s", log.String())
	}
}

// leaks reports whether text holds the family of the test's token in some form.
func leaks(text string) bool {
	lower := strings.ToLower(text)
	return strings.Contains(lower, "sixteen") || strings.Contains(lower, "73697874") || strings.Contains(lower, "115 105 120") || strings.Contains(lower, "115,105,120") ||
		strings.Contains(lower, "0x73, 0x69")
}

func refuse(t *testing.T, m *session.Mint, text, why string) {
	t.Helper()
	if got, err := m.Parse(text); !errors.Is(err, session.ErrToken) || got != (session.RefreshToken{}) {
		t.Errorf("%s: parsed as %+v, %v; want %v", why, got, err, session.ErrToken)
	}
}

// FuzzParse wants every token that is taken to be the one form of itself.
func FuzzParse(f *testing.F) {
	m := mint(f, issuer, "1:"+rootOne, "2!:"+rootTwo)
	f.Add(m.Format(token()))
	f.Add(mint(f, issuer, "2:"+rootTwo).Format(token()))
	f.Add("mrt_" + strings.Repeat("A", 62))
	f.Add("mrt_\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := m.Parse(text)
		if err != nil {
			if got != (session.RefreshToken{}) || !errors.Is(err, session.ErrToken) {
				t.Errorf("%q refused with %+v, %v", text, got, err)
			}
			return
		}
		if !got.Compromised && m.Format(got) != text {
			t.Errorf("%q is a second form of %q", text, m.Format(got))
		}
	})
}
