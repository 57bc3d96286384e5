package verifier

import (
	"encoding/base64"
	"slices"
	"strings"
)

const (
	// maxToken bounds a token before anything of it is decoded.
	maxToken = 16 << 10
	// maxKid bounds a kid; ours are thumbprints of 43 characters.
	maxKid = 256
)

const (
	errTooLong    = defect("it is longer than 16 KiB")
	errNotCompact = defect("it is not a compact JWS of three parts")
	errNotBase64  = defect("it holds a part that is not canonical base64url")
	errOwnKey     = defect("its header brings a key of its own")
)

// compact is a JWS in compact serialization (RFC 7515 §7.1), still encoded.
type compact struct {
	signed                     string // header and payload with their dot
	header, payload, signature string
}

// split cuts raw at its two dots. It never looks past the third dot, so a token of dots costs no more than any other
// (CVE-2025-30204).
func split(raw string) (compact, error) {
	first := strings.IndexByte(raw, '.')
	if first <= 0 {
		return compact{}, errNotCompact
	}
	length := strings.IndexByte(raw[first+1:], '.')
	if length <= 0 {
		return compact{}, errNotCompact
	}
	second := first + 1 + length
	signature := raw[second+1:]
	if signature == "" || strings.IndexByte(signature, '.') >= 0 {
		return compact{}, errNotCompact
	}
	return compact{
		signed:    raw[:second],
		header:    raw[:first],
		payload:   raw[first+1 : second],
		signature: signature,
	}, nil
}

// decodeSegment decodes base64url without padding, and only its canonical form: one token must not have two
// spellings (RFC 4648 §3.5).
func decodeSegment(segment string) ([]byte, bool) {
	// The standard decoder skips line ends, even a strict one.
	if strings.IndexByte(segment, '\n') >= 0 || strings.IndexByte(segment, '\r') >= 0 {
		return nil, false
	}
	decoded, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return nil, false
	}
	// Bits past the last whole byte must be zero: encode the last, incomplete quantum again.
	var quantum [4]byte
	rest := len(segment) % 4
	base64.RawURLEncoding.Encode(quantum[:], decoded[len(decoded)-len(decoded)%3:])
	return decoded, segment[len(segment)-rest:] == string(quantum[:rest])
}

// header is the protected header of a JWS.
type header struct {
	alg, typ, kid string
	jwk           string // as JSON; empty without
}

// readHeader decodes the header. No token may ask for an extension, and only a proof of possession may bring a key (RFC
// 8725 §3.10).
func (c compact) readHeader() (header, error) {
	decoded, ok := decodeSegment(c.header)
	if !ok {
		return header{}, errNotBase64
	}
	members, err := parseObject(string(decoded))
	if err != nil {
		return header{}, err
	}
	var h header
	for _, m := range members {
		switch m.name {
		case "alg":
			h.alg, _ = stringOf(m.value)
		case "typ":
			h.typ, _ = stringOf(m.value)
		case "kid":
			h.kid, _ = stringOf(m.value)
		case "jwk":
			h.jwk = m.value
		case "crit", "b64": // no extension is understood (RFC 7515 §4.1.11), and a JWT has no b64 (RFC 7797 §7)
			return header{}, defect("its header asks for an extension that is not supported")
		case "jku", "x5u", "x5c": // a token does not say which key to trust
			return header{}, errOwnKey
		}
	}
	return h, nil
}

// isType compares a typ as RFC 7515 §4.1.9 says: in any letter case, with or without "application/".
func (h header) isType(typ string) bool {
	short := h.typ
	const prefix = "application/"
	if len(short) > len(prefix) && strings.EqualFold(short[:len(prefix)], prefix) {
		short = short[len(prefix):]
	}
	return strings.EqualFold(short, typ)
}

// check checks the header of a token of the issuer: it must have this type and an accepted algorithm, and must name its
// key instead of bringing it (RFC 8725 §3.1, RFC 9068 §2.1).
func (h header) check(typ string, algorithms []string) error {
	switch {
	case h.jwk != "":
		return errOwnKey
	case !slices.Contains(algorithms, h.alg):
		return defect("its algorithm is not one that is accepted (alg)")
	case !h.isType(typ):
		return defect("it is of another type (typ)")
	case h.kid == "" || len(h.kid) > maxKid:
		return defect("its header does not name a key (kid)")
	}
	return nil
}
