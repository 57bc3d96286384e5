package verifiertest

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"
)

// lifetime is that of an access token, mintmark's default.
const lifetime = 5 * time.Minute

// Change makes a token differ from a good one: [Claims], [Header], [SignedBy].
type Change interface{ apply(d *draft) }

// Claims sets claims of a token, whatever their type; nil leaves one out.
type Claims map[string]any

// Header sets members of a token's protected header, whatever their type; nil leaves one out.
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

// SignedBy signs with a key of yours. The header goes on to name the issuer's.
func SignedBy(key *rsa.PrivateKey) Change { return signer{key} }

// SignedByStranger signs with a key that no issuer publishes. The header goes on to name the issuer's.
func SignedByStranger() Change { return signer{strangersKey().PrivateKey} }

// Token is an access token of RFC 9068 with nothing wrong about it, but for the changes: issued now for the issuer's
// audience and five minutes, with a session of its own, a place in the status list, and no scope.
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
			"status": nil, // in its place below, unless a change says otherwise
		},
	}
	for _, change := range changes {
		change.apply(d)
	}
	i.addStatus(d, changes)
	return sign(d.key, i.encodeJSON(d.header), i.encodeJSON(d.claims))
}

// ExpiredToken is a Token whose life was over an hour ago: no leeway forgives that.
func (i *Issuer) ExpiredToken(changes ...Change) string {
	i.tb.Helper()
	issued := i.now().Add(-lifetime - time.Hour)
	times := Claims{"iat": issued.Unix(), "auth_time": issued.Unix(), "exp": issued.Add(lifetime).Unix()}
	return i.Token(append([]Change{times}, changes...)...)
}

// Sign makes a compact JWS of any two texts with the key that signs now: for what no JSON encoder would write, such
// as claims that are there twice.
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
