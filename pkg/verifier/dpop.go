package verifier

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// DPoPMode is how a verifier handles proofs of possession (RFC 9449).
type DPoPMode int

const (
	// DPoPOff accepts bearer tokens and refuses tokens that are bound to a key. It is the default.
	DPoPOff DPoPMode = iota
	// DPoPOptional accepts unbound bearer tokens, and bound tokens with their proof.
	DPoPOptional
	// DPoPRequired accepts only bound tokens with their proof.
	DPoPRequired
)

const (
	// maxProof bounds a proof; one of a 4096-bit RSA key has some 2 KiB.
	maxProof = 8 << 10
	// maxProofID bounds a jti.
	maxProofID = 512
	// proofAge is how long after its iat a proof is accepted (RFC 9449 §11.1).
	proofAge = time.Minute
	// proofType is the typ of a proof.
	proofType = "dpop+jwt"
)

// proofAlgorithms are the algorithms that a proof may use, for the challenge and the metadata.
func proofAlgorithms() []string { return []string{"ES256", "ES384", "EdDSA", "PS256", "RS256"} }

// proofs checks proofs of possession.
type proofs struct {
	mode   DPoPMode
	origin string        // scheme and host through which clients reach this service
	ahead  time.Duration // by which an iat may be in the future
	seen   *replays
}

func newProofs(mode DPoPMode, here *url.URL, ahead time.Duration) *proofs {
	return &proofs{mode: mode, origin: here.Scheme + "://" + here.Host, ahead: ahead, seen: newReplays()}
}

// proof is a parsed proof.
type proof struct {
	jws      compact
	header   header
	jti      string
	htm, htu string
	ath      string
	issuedAt time.Time
}

// check checks that r proves possession of the key with the thumbprint jkt, to which the access token raw is bound (RFC
// 9449 §4.3, §7.1). Cheap checks come first, and a proof is only remembered if everything else is right, so that a
// stranger can't fill the memory.
func (p *proofs) check(r *http.Request, raw, jkt string, now time.Time) error {
	values := r.Header.Values("DPoP")
	switch {
	case len(values) == 0:
		return proofDefect("the request has no DPoP header")
	case len(values) > 1:
		return proofDefect("the request has more than one DPoP header")
	}
	proof, err := readProof(values[0])
	if err != nil {
		return err
	}
	if err := p.checkClaims(proof, r, raw, now); err != nil {
		return err
	}
	if err := proof.verify(jkt); err != nil {
		return err
	}
	switch p.seen.see(replayOf(jkt, proof.jti), proof.issuedAt, now) {
	case seenBefore:
		return proofDefect("it was used before (jti)")
	case seenForgotten:
		return proofDefect("it is from before the clock was set back (iat)")
	case seenTooMany:
		return errProofsFull
	}
	return nil
}

func readProof(text string) (proof, error) {
	if len(text) > maxProof {
		return proof{}, proofDefect("it is longer than 8 KiB")
	}
	jws, err := split(text)
	if err != nil {
		return proof{}, ofProof(err)
	}
	p := proof{jws: jws}
	if p.header, err = jws.readHeader(); err != nil {
		return proof{}, ofProof(err)
	}
	decoded, ok := decodeSegment(jws.payload)
	if !ok {
		return proof{}, ofProof(errNotBase64)
	}
	members, err := parseObject(string(decoded))
	if err != nil {
		return proof{}, ofProof(err)
	}
	for _, m := range members {
		ok := true
		switch m.name {
		case "jti":
			p.jti, ok = stringOf(m.value)
		case "htm":
			p.htm, ok = stringOf(m.value)
		case "htu":
			p.htu, ok = stringOf(m.value)
		case "ath":
			p.ath, ok = stringOf(m.value)
		case "iat":
			p.issuedAt, ok = timeOf(m.value)
		}
		if !ok {
			return proof{}, ofProof(wrong(m))
		}
	}
	return p, nil
}

// ofProof turns a defect of a token, as the readers return it, into one of the proof.
func ofProof(err error) error {
	if d, ok := err.(defect); ok { //nolint:errorlint // the readers wrap nothing
		return proofDefect(d)
	}
	return err
}

func (p *proofs) checkClaims(proof proof, r *http.Request, raw string, now time.Time) error {
	hash := sha256.Sum256([]byte(raw))
	switch {
	case !proof.header.isType(proofType):
		return proofDefect("it is of another type (typ)")
	case proof.header.jwk == "":
		return proofDefect("its header does not bring its key (jwk)")
	case proof.jti == "" || len(proof.jti) > maxProofID:
		return proofDefect("it has no usable name (jti)")
	case proof.htm != r.Method:
		return proofDefect("it is for another method (htm)")
	case proof.htu != p.origin+pathOf(r):
		return proofDefect("it is for another URL (htu)")
	case !sameSecret(proof.ath, base64.RawURLEncoding.EncodeToString(hash[:])):
		return proofDefect("it is for another access token (ath)")
	case proof.issuedAt.IsZero() || now.Sub(proof.issuedAt) >= proofAge:
		return proofDefect("it is too old (iat)")
	case proof.issuedAt.After(now.Add(p.ahead)):
		return proofDefect("it was made in the future (iat)")
	}
	return nil
}

// pathOf returns the path of the request, to the byte as the client sent it, even if a router has changed it since. It
// normalizes nothing: clients treat the URL and htu alike (a lower-case host, no default port), so one request has one
// spelling.
func pathOf(r *http.Request) string {
	target := r.RequestURI
	if target == "" || target[0] != '/' { // made by a program, or the absolute form to a proxy
		target = r.URL.EscapedPath()
	}
	path, _, _ := strings.Cut(target, "?")
	if path == "" {
		return "/"
	}
	return path
}

// verify checks the signature with the key of the header, whose thumbprint must be jkt (RFC 7638).
func (p proof) verify(jkt string) error {
	parameters, err := readParameters(p.header.jwk)
	if err != nil {
		return proofDefect("its key cannot be read (jwk)")
	}
	if !slices.Contains(proofAlgorithms(), p.header.alg) {
		return proofDefect("its algorithm is not one that is accepted (alg)")
	}
	key, parsed, err := parsePublic(p.header.jwk, p.header.alg, parameters)
	if err != nil {
		return proofDefect("its key is not a public one for its algorithm (jwk)")
	}
	thumbprint, err := parsed.Thumbprint(crypto.SHA256)
	if err != nil || !sameSecret(base64.RawURLEncoding.EncodeToString(thumbprint), jkt) {
		return proofDefect("it is by another key than the token is bound to (jwk)")
	}
	if p.jws.verify(key, p.header.alg) != nil {
		return proofDefect("its signature does not match its key")
	}
	return nil
}
