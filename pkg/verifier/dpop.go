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

// DPoPMode says what a verifier does with proofs of possession (RFC 9449).
type DPoPMode int

const (
	// DPoPOff is the default: it takes bearer tokens and refuses those that are bound to a key.
	DPoPOff DPoPMode = iota
	// DPoPOptional takes bearer tokens that are bound to nothing, and bound ones with their proof.
	DPoPOptional
	// DPoPRequired takes nothing but bound tokens with their proof.
	DPoPRequired
)

const (
	// maxProof bounds a proof; one of a 4096-bit RSA key has some 2 KiB.
	maxProof = 8 << 10
	// maxProofID bounds a jti.
	maxProofID = 512
	// proofAge is how long after its iat a proof is taken (RFC 9449 §11.1).
	proofAge = time.Minute
	// proofType is the typ of a proof.
	proofType = "dpop+jwt"
)

// proofAlgorithms are those a proof may use, for the challenge and the metadata.
func proofAlgorithms() []string { return []string{"ES256", "ES384", "EdDSA", "PS256", "RS256"} }

// proofs checks proofs of possession.
type proofs struct {
	mode   DPoPMode
	origin string        // scheme and host by which clients reach this service
	ahead  time.Duration // by which an iat may be in the future
	seen   *replays
}

func newProofs(mode DPoPMode, here *url.URL, ahead time.Duration) *proofs {
	return &proofs{mode: mode, origin: here.Scheme + "://" + here.Host, ahead: ahead, seen: newReplays(proofAge + ahead)}
}

// proof is what a proof says.
type proof struct {
	jws      compact
	header   header
	jti      string
	htm, htu string
	ath      string
	issuedAt time.Time
}

// check says whether r proves the possession of the key, of the thumbprint jkt, that the access token raw is bound to
// (RFC 9449 §4.3, §7.1). What is cheap to check comes first, and a proof is only remembered if everything else is right:
// no stranger can fill the memory.
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
	switch p.seen.see(replayOf(jkt, proof.jti), now) {
	case seenBefore:
		return proofDefect("it was used before (jti)")
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
			return proof{}, ofProof(wrongType(m.name))
		}
	}
	return p, nil
}

// ofProof says of the proof what the readers say of a token.
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

// pathOf returns the path of the request to the byte as the client sent it, whatever a router has made of it since. What
// clients make of a URL, a lower-case host and no default port, they make of htu too, so nothing is normalized here:
// one request has one spelling.
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

// verify checks the signature by the key of the header, which must be the one of thumbprint jkt (RFC 7638).
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
