package verifiertest

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"
)

// lifetime is the lifetime of an access token, mintmark's default.
const lifetime = 5 * time.Minute

// Change makes a token differ from a valid one: [Claims], [Header], [SignedBy].
type Change interface{ apply(d *draft) }

// Claims sets claims of a token to values of any type; nil removes a claim.
type Claims map[string]any

// Header sets members of a token's protected header to values of any type; nil removes a member.
type Header map[string]any

// draft is a token before it is signed.
type draft struct {
	header, claims map[string]any
	key            *rsa.PrivateKey
}

func (c Claims) apply(d *draft) { override(d.claims, c) }
func (h Header) apply(d *draft) { override(d.header, h) }

func override(members, by map[string]any) {
	maps.Copy(members, by)
	maps.DeleteFunc(members, func(_ string, value any) bool { return value == nil })
}

type signer struct{ key *rsa.PrivateKey }

func (s signer) apply(d *draft) { d.key = s.key }

// SignedBy signs with key. The header still names the issuer's key.
func SignedBy(key *rsa.PrivateKey) Change { return signer{key} }

// SignedByStranger signs with a key that no issuer publishes. The header still names the issuer's key.
func SignedByStranger() Change { return signer{strangersKey().PrivateKey} }

// Token returns an access token (RFC 9068) that is valid except for the changes. It is issued now, for the issuer's
// audience, and lives five minutes; it has its own session, a place in the status list, and no scope.
//
//	issuer.Token(verifiertest.Claims{"sub": "ada", "scope": "orders:read"})
//	issuer.Token(verifiertest.Claims{"aud": nil}, verifiertest.Header{"typ": "JWT"})
func (i *Issuer) Token(changes ...Change) string {
	i.tb.Helper()
	now := i.now()
	key := i.signing()
	serial := strconv.FormatInt(i.serial.Add(1), 10)
	d := &draft{
		key:    key.PrivateKey,
		header: map[string]any{"alg": "RS256", "typ": "at+jwt", "kid": key.kid},
		claims: map[string]any{
			"iss": i.URL(), "sub": "user", "aud": i.audience, "client_id": "client",
			"jti": "token-" + serial, "sid": "session-" + serial,
			"iat": now.Unix(), "exp": now.Add(lifetime).Unix(), "auth_time": now.Unix(),
			"status": nil, // set below, unless a change says otherwise
		},
	}
	for _, change := range changes {
		change.apply(d)
	}
	i.addStatus(d, changes)
	return sign(d.key, i.encodeJSON(d.header), i.encodeJSON(d.claims))
}

// ExpiredToken is a Token that expired an hour ago, beyond any leeway.
func (i *Issuer) ExpiredToken(changes ...Change) string {
	i.tb.Helper()
	issued := i.now().Add(-lifetime - time.Hour)
	times := Claims{"iat": issued.Unix(), "auth_time": issued.Unix(), "exp": issued.Add(lifetime).Unix()}
	return i.Token(append([]Change{times}, changes...)...)
}

// Sign makes a compact JWS of any two texts with the key that signs now. It is for content that no JSON encoder writes,
// such as repeated claims.
func (i *Issuer) Sign(header, payload string) string {
	return sign(i.signing().PrivateKey, []byte(header), []byte(payload))
}

// addStatus gives the token the place of its session in the status list, unless a change named the claim.
func (i *Issuer) addStatus(d *draft, changes []Change) {
	for _, change := range changes {
		if claims, ok := change.(Claims); ok {
			if _, named := claims["status"]; named {
				return
			}
		}
	}
	if sid, ok := d.claims["sid"].(string); ok {
		d.claims["status"] = map[string]any{"status_list": map[string]any{"idx": i.statuses.index(sid), "uri": i.statusURI()}}
	}
}

func (i *Issuer) encodeJSON(v any) []byte {
	i.tb.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("verifiertest: a claim or header member is no JSON: %v", err))
	}
	return text
}
