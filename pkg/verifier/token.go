package verifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Token is an access token that was verified. It is the caller's own. It does not hold the token's own text, and where it is
// printed or logged it tells no more than whose it is.
type Token struct {
	Issuer    string    // iss
	Subject   string    // sub: the user, or the client where it acts for itself
	ClientID  string    // client_id: who asks on the subject's behalf
	SessionID string    // sid: the login the token comes from; empty if it has none
	ID        string    // jti
	ACR       string    // acr: how the user was authenticated, in the issuer's words; empty if the token does not say
	IssuedAt  time.Time // iat
	Expiry    time.Time // exp
	AuthTime  time.Time // auth_time: when the user last proved who they are; zero if the token does not say

	// What follows is shared with other copies of the token, and never changes.

	audience  []string
	scopes    []string
	amr       []string
	notBefore time.Time // nbf; zero without
	jkt       string    // cnf.jkt: thumbprint of the key that the token is bound to; empty without
	status    reference // status.status_list; zero without
	payload   string    // the claims as they were signed
}

// Audience returns the aud of the token, ours among them.
func (t *Token) Audience() []string { return slices.Clone(t.audience) }

// Scopes returns the scope of the token, in its order.
func (t *Token) Scopes() []string { return slices.Clone(t.scopes) }

// AMR returns the methods by which the user was authenticated (RFC 8176); none if the token does not say.
func (t *Token) AMR() []string { return slices.Clone(t.amr) }

// Has says whether the token grants scope, to the byte. A nil token grants nothing.
func (t *Token) Has(scope string) bool {
	return t != nil && slices.Contains(t.scopes, scope)
}

// Claims decodes all claims into a struct or map, for those that have no field here:
//
//	var mine struct{ Roles []string `json:"roles"` }
//	err := token.Claims(&mine)
//
// It fails on claims that differ only in letter case, since encoding/json would not tell them apart. Within a claim it looks
// at no names.
func (t *Token) Claims(into any) error {
	if t == nil {
		return errors.New("decode claims: there is no token")
	}
	members, err := parseObject(t.payload)
	if err != nil {
		return fmt.Errorf("decode claims: %w", err)
	}
	seen := make(map[string]bool, len(members))
	for _, m := range members {
		name := strings.Map(folded, m.name)
		if seen[name] {
			return fmt.Errorf("decode claims: %.64q stands there in two spellings", m.name)
		}
		seen[name] = true
	}
	if err := json.Unmarshal([]byte(t.payload), into); err != nil {
		return fmt.Errorf("decode claims: %w", err)
	}
	return nil
}

// folded is one letter for all that differ in case only, as encoding/json sees them.
func folded(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}

// String names the token by what may be printed, and never its other claims.
func (t Token) String() string {
	return fmt.Sprintf("token %q of %q for client %q, session %q, until %s", t.ID, t.Subject, t.ClientID, t.SessionID, t.Expiry.UTC().Format(time.RFC3339))
}

// GoString is String.
func (t Token) GoString() string { return t.String() }

// LogValue names the token as String does.
func (t Token) LogValue() slog.Value {
	return slog.GroupValue(slog.String("jti", t.ID), slog.String("sub", t.Subject), slog.String("client_id", t.ClientID),
		slog.String("sid", t.SessionID), slog.Time("exp", t.Expiry))
}

type contextKey struct{}

// FromContext returns the token that [Verifier.Require] put there, or nil where the request did not pass through it;
// Has on nil is false.
func FromContext(ctx context.Context) *Token {
	token, _ := ctx.Value(contextKey{}).(*Token)
	return token
}
