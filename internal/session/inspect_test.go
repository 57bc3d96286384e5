package session_test

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// TestAnInspectionSaysWhatIsWrongWithAToken, and gives the fields as far as they can be read.
func TestAnInspectionSaysWhatIsWrongWithAToken(t *testing.T) {
	t.Parallel()
	roots, err := secret.ParseRoots("1:" + rootOne + ",2!:" + rootTwo)
	if err != nil {
		t.Fatal(err)
	}
	m, good := session.NewMint(issuer, roots), mint(t, issuer, "1:"+rootOne).Format(token())
	body, err := base64.RawURLEncoding.DecodeString(good[4:])
	if err != nil {
		t.Fatal(err)
	}
	version := slices.Clone(body[:30])
	version[0] = 2
	leaked := token()
	leaked.Compromised = true
	for name, c := range map[string]struct {
		text  string
		token session.RefreshToken
		key   byte
		says  string // "": nothing is wrong
	}{
		"good":             {good, token(), 1, ""},
		"compromised":      {mint(t, issuer, "2:"+rootTwo).Format(token()), leaked, 2, ""},
		"no prefix":        {good[4:], session.RefreshToken{}, 0, "does not begin with mrt_"},
		"cut off":          {good[:len(good)-1], session.RefreshToken{}, 0, "has 61 characters behind mrt_, not 62"},
		"run together":     {good + "A", session.RefreshToken{}, 0, "has 63 characters behind mrt_, not 62"},
		"spare bits":       {good[:len(good)-1] + "h", session.RefreshToken{}, 0, "not strict base64url"},
		"another alphabet": {good[:20] + "+" + good[21:], session.RefreshToken{}, 0, "not strict base64url"},
		"a line end":       {good[:20] + "\n" + good[21:], session.RefreshToken{}, 0, "not strict base64url"},
		"another version":  {sign(roots.Active(), version), token(), 1, "of version 2 of the format, and this mintmark knows 1"},
		"an unknown root":  {mint(t, issuer, "7:"+rootTwo).Format(token()), token(), 7, "under the root secret 7"},
		"another issuer":   {mint(t, "https://other.example", "1:"+rootOne).Format(token()), token(), 1, "the issuer https://auth.example give"},
	} {
		got := m.Inspect(c.text)
		legible := c.key != 0 && name != "another version"
		if diff := cmp.Diff(got.Token, c.token); diff != "" || got.KeyID != c.key || got.Legible != legible {
			t.Errorf("%s: key %d, legible %v; want %d, %v; token (-got +want):\n%s", name, got.KeyID, got.Legible, c.key, legible, diff)
		}
		if (got.Defect == "") != (c.says == "") || !strings.Contains(got.Defect, c.says) {
			t.Errorf("%s: it says %q, want %q", name, got.Defect, c.says)
		}
		if _, err := m.Parse(c.text); (err == nil) != (c.says == "") {
			t.Errorf("%s: Parse says %v", name, err)
		}
	}
}

// TestASessionLapsesWhenItsLastTokenMust: its last refresh may be as much younger than its
// checkpoint as that is written late.
func TestASessionLapsesWhenItsLastTokenMust(t *testing.T) {
	t.Parallel()
	s := session.Session{LastSeenAt: login}
	const lag = time.Hour + 20*time.Minute
	for after, want := range map[time.Duration]bool{0: false, idle: false, idle + lag - 1: false, idle + lag: true} {
		if got := s.Lapsed(login.Add(after), idle); got != want {
			t.Errorf("after %v: %v, want %v", after, got, want)
		}
	}
}

func TestTermsAskTheirAllowFunction(t *testing.T) {
	t.Parallel()
	not := errors.New("not now")
	var asked time.Time
	terms := session.Terms{
		Allow: func(start time.Time) error { asked = start; return not },
	}
	if err := terms.Allowed(login); !errors.Is(err, not) || !asked.Equal(login) {
		t.Errorf("asked about %s: %v", asked, err)
	}
	terms = session.Terms{}
	if err := terms.Allowed(login); err != nil {
		t.Errorf("nobody forbids it: %v", err)
	}
}

// TestVerdictsAreAllListed, in their order.
func TestVerdictsAreAllListed(t *testing.T) {
	t.Parallel()
	want := []session.Verdict{
		session.Revoked, session.Expired, session.Renewed, session.Rotated, session.Repeated, session.Skipped, session.Healed, session.Replayed,
	}
	if diff := cmp.Diff(session.Verdicts(), want); diff != "" {
		t.Errorf("verdicts (-got +want):\n%s", diff)
	}
}
