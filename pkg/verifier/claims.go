package verifier

import (
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	// endOfSeconds is the first number that is no time in seconds, in the year 5138: in milliseconds it is one of 1973.
	endOfSeconds = 100_000_000_000
	// maxNumber bounds the text of a time before it is converted.
	maxNumber = 32
)

// claims reads the payload. Known claims must have their type, and the claims that RFC 9068 §2.2 requires must be
// there; the verifier checks their values. Unknown claims are ignored.
func (c compact) claims() (Token, error) {
	decoded, ok := decodeSegment(c.payload)
	if !ok {
		return Token{}, errNotBase64
	}
	token := Token{payload: string(decoded)}
	if err := token.read(); err != nil {
		return Token{}, err
	}
	return token, token.complete()
}

// read sets the fields from the payload.
func (t *Token) read() error {
	members, err := parseObject(t.payload)
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := t.set(m); err != nil {
			return err
		}
	}
	return nil
}

func (t *Token) set(m member) error {
	ok := true
	switch m.name {
	case "iss":
		t.Issuer, ok = stringOf(m.value)
	case "sub":
		t.Subject, ok = stringOf(m.value)
	case "client_id":
		t.ClientID, ok = stringOf(m.value)
	case "sid":
		t.SessionID, ok = stringOf(m.value)
	case "jti":
		t.ID, ok = stringOf(m.value)
	case "acr":
		t.ACR, ok = stringOf(m.value)
	case "amr":
		t.amr, ok = stringsOf(m.value)
	case "aud":
		t.audience, ok = stringsOf(m.value)
	case "scope":
		t.scopes, ok = scopesOf(m.value)
	case "iat":
		t.IssuedAt, ok = timeOf(m.value)
	case "exp":
		t.Expiry, ok = timeOf(m.value)
	case "nbf":
		t.notBefore, ok = timeOf(m.value)
	case "auth_time":
		t.AuthTime, ok = timeOf(m.value)
	case "cnf":
		if t.jkt, ok = thumbprintOf(m.value); !ok {
			return errBound
		}
	case "status":
		t.status, ok = referenceOf(m.value)
	}
	if !ok {
		return wrong(m)
	}
	return nil
}

// wrong says what is wrong with the value of a claim. It names the claim: names come from the list in set, never from
// outside it.
func wrong(claim member) defect {
	switch claim.name {
	case "iat", "exp", "nbf", "auth_time":
		if n, err := strconv.ParseFloat(claim.value[:min(len(claim.value), maxNumber)], 64); err == nil && n >= endOfSeconds {
			return defect("its claim " + claim.name + " is no number of seconds, but of milliseconds or less")
		}
	}
	return defect("its claim " + claim.name + " has a wrong type or value")
}

func (t *Token) complete() error {
	switch {
	case t.Issuer == "":
		return missing("iss")
	case t.Subject == "":
		return missing("sub")
	case len(t.audience) == 0:
		return missing("aud")
	case t.Expiry.IsZero():
		return missing("exp")
	case t.IssuedAt.IsZero():
		return missing("iat")
	case t.ID == "":
		return missing("jti")
	case t.ClientID == "":
		return missing("client_id")
	}
	return nil
}

func missing(claim string) defect { return defect("it lacks the claim " + claim) }

// stringsOf reads a string, or an array of strings only (RFC 7519 §4.1.3).
func stringsOf(value string) ([]string, bool) {
	if one, ok := stringOf(value); ok {
		return []string{one}, true
	}
	elements, ok := elementsOf(value)
	for i := range elements {
		var isString bool
		elements[i], isString = stringOf(elements[i])
		ok = ok && isString
	}
	return elements, ok
}

// scopesOf splits a scope at its spaces (RFC 6749 §3.3).
func scopesOf(value string) ([]string, bool) {
	scope, ok := stringOf(value)
	if !ok {
		return nil, false
	}
	scopes := make([]string, 0, strings.Count(scope, " ")+1)
	for one := range strings.SplitSeq(scope, " ") {
		if one == "" {
			continue
		}
		if !isScope(one) {
			return nil, false
		}
		scopes = append(scopes, one)
	}
	return scopes, true
}

// isScope reports whether s is a scope-token: printable ASCII but space, quote and backslash.
func isScope(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return s != ""
}

// thumbprintOf returns the jkt of a cnf (RFC 9449 §6.1). It does not accept a token that is bound in another way, or in
// more than one: to treat it as a bearer token would undo the binding (RFC 7800 §3.1).
func thumbprintOf(value string) (string, bool) {
	members, err := parseObject(value)
	if err != nil || len(members) != 1 || members[0].name != "jkt" {
		return "", false
	}
	jkt, ok := stringOf(members[0].value)
	return jkt, ok && len(jkt) == 43 // base64url of a SHA-256
}

// timeOf reads a NumericDate (RFC 7519 §2): a number of seconds, perhaps with a fraction, from 0 to 10^11. Nothing is
// rounded into that range or wrapped around.
func timeOf(value string) (time.Time, bool) {
	if len(value) > maxNumber || value[0] < '0' || value[0] > '9' {
		return time.Time{}, false
	}
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Unix(seconds, 0), seconds < endOfSeconds
	}
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil || seconds >= endOfSeconds {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*float64(time.Second))), true
}
