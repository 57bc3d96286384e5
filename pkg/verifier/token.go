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

// Token is a verified access token. It belongs to the caller. It does not contain the token's text, and its printed or
// logged form reveals only its owner.
type Token struct {
	Issuer    string    // iss
	Subject   string    // sub: the user, or the client if it acts for itself
	ClientID  string    // client_id: the client that acts for the subject
	SessionID string    // sid: the session of the token; empty if it has none
	ID        string    // jti
	ACR       string    // acr: the authentication context class; empty if the token has none
	IssuedAt  time.Time // iat
	Expiry    time.Time // exp
	AuthTime  time.Time // auth_time: when the user last authenticated; zero if the token has none

	// The fields below are shared with other copies of the token, and never change.

	audience  []string
	scopes    []string
	amr       []string
	notBefore time.Time // nbf, or zero
	jkt       string    // cnf.jkt: thumbprint of the key that the token is bound to, or empty
	status    reference // status.status_list, or zero
	payload   string    // the claims as they were signed
}

// Audience returns the aud of the token, which contains the verifier's audience.
func (t *Token) Audience() []string { return slices.Clone(t.audience) }

// Scopes returns the scopes of the token, in their order.
func (t *Token) Scopes() []string { return slices.Clone(t.scopes) }

// AMR returns the methods with which the user authenticated (RFC 8176); nil if the token has none.
func (t *Token) AMR() []string { return slices.Clone(t.amr) }

// Has reports whether the token grants scope, compared to the byte. A nil token grants nothing.
func (t *Token) Has(scope string) bool {
	return t != nil && slices.Contains(t.scopes, scope)
}

// Claims decodes all claims into a struct or map, for claims that have no field in Token:
//
//	var mine struct{ Roles []string `json:"roles"` }
//	err := token.Claims(&mine)
//
// It fails if two claims differ only in letter case, since encoding/json would not distinguish them. It does not check
// names within a claim.
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

// folded maps letters that differ only in case to one letter, as encoding/json does.
func folded(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}

// String describes the token by the claims that may be printed, and by no others.
func (t Token) String() string {
	return fmt.Sprintf("token %q of %q for client %q, session %q, until %s", t.ID, t.Subject, t.ClientID, t.SessionID, t.Expiry.UTC().Format(time.RFC3339))
}

// GoString returns String.
func (t Token) GoString() string { return t.String() }

// LogValue describes the token as String does.
func (t Token) LogValue() slog.Value {
	return slog.GroupValue(slog.String("jti", t.ID), slog.String("sub", t.Subject), slog.String("client_id", t.ClientID),
		slog.String("sid", t.SessionID), slog.Time("exp", t.Expiry))
}

type contextKey struct{}

// FromContext returns the token that [Verifier.Require] put into ctx, or nil if the request did not pass through it;
// Has on nil is false.
func FromContext(ctx context.Context) *Token {
	token, _ := ctx.Value(contextKey{}).(*Token)
	return token
}
