package verifier

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"math/big"
)

// algorithm is a signature algorithm of RFC 7518 §3.1 or RFC 8037, and the one kind of key that it uses.
type algorithm struct {
	name string // alg
	kty  string
	crv  string
	hash crypto.Hash // 0 where the algorithm hashes by itself
	pss  bool
}

// algorithmNamed knows every algorithm that [WithAlgorithms] can name. "none" and the HMACs are not among them and
// never will be: a verifier of an HMAC can also forge it.
func algorithmNamed(name string) (algorithm, bool) {
	a := algorithm{name: name}
	switch name {
	case "RS256", "RS384", "RS512":
		a.kty = "RSA"
	case "PS256", "PS384", "PS512":
		a.kty, a.pss = "RSA", true
	case "ES256":
		a.kty, a.crv = "EC", "P-256"
	case "ES384":
		a.kty, a.crv = "EC", "P-384"
	case "ES512":
		a.kty, a.crv = "EC", "P-521"
	case "EdDSA":
		a.kty, a.crv = "OKP", "Ed25519"
		return a, true
	default:
		return algorithm{}, false
	}
	switch name[2:] {
	case "256":
		a.hash = crypto.SHA256
	case "384":
		a.hash = crypto.SHA384
	case "512":
		a.hash = crypto.SHA512
	}
	return a, true
}

// usual is the algorithm of a key that names none.
func usual(kty, crv string) string {
	switch {
	case kty == "RSA":
		return "RS256"
	case kty == "EC" && crv == "P-256":
		return "ES256"
	case kty == "EC" && crv == "P-384":
		return "ES384"
	case kty == "EC" && crv == "P-521":
		return "ES512"
	case kty == "OKP" && crv == "Ed25519":
		return "EdDSA"
	}
	return ""
}

// key is a public key with the one algorithm that it verifies (RFC 8725 §3.1). It never changes, and keeps its address
// while it stays in the issuer's set.
type key struct {
	algorithm algorithm
	public    publicKey
}

// publicKey is *[rsa.PublicKey], *[ecdsa.PublicKey] or [ed25519.PublicKey].
type publicKey interface{ Equal(crypto.PublicKey) bool }

func (k *key) equal(other *key) bool {
	return k.algorithm == other.algorithm && k.public.Equal(other.public)
}

// verify checks the signature of a JWS whose header names alg, with the standard library.
func (c compact) verify(k *key, alg string) error {
	signature, ok := decodeSegment(c.signature)
	if !ok || alg != k.algorithm.name {
		return errSignature
	}
	var buffer [sha512.Size]byte
	digest := k.algorithm.digest(c.signed, &buffer)
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		ok = len(signature) == public.Size() && k.algorithm.verifyRSA(public, digest, signature) == nil // RFC 8017 §8.1.2, §8.2.2
	case *ecdsa.PublicKey:
		ok = verifyECDSA(public, digest, signature)
	case ed25519.PublicKey:
		ok = ed25519.Verify(public, []byte(c.signed), signature)
	default:
		ok = false
	}
	if !ok {
		return errSignature
	}
	return nil
}

func (a algorithm) digest(signed string, buffer *[sha512.Size]byte) []byte {
	switch a.hash {
	case crypto.SHA256:
		sum := sha256.Sum256([]byte(signed))
		return buffer[:copy(buffer[:], sum[:])]
	case crypto.SHA384:
		sum := sha512.Sum384([]byte(signed))
		return buffer[:copy(buffer[:], sum[:])]
	case crypto.SHA512:
		sum := sha512.Sum512([]byte(signed))
		return buffer[:copy(buffer[:], sum[:])]
	}
	return nil
}

func (a algorithm) verifyRSA(public *rsa.PublicKey, digest, signature []byte) error {
	if a.pss { // the salt is as long as the hash (RFC 7518 §3.5)
		return rsa.VerifyPSS(public, a.hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	}
	return rsa.VerifyPKCS1v15(public, a.hash, digest, signature)
}

// verifyECDSA takes r and s at their full width, one after the other (RFC 7518 §3.4).
func verifyECDSA(public *ecdsa.PublicKey, digest, signature []byte) bool {
	size := (public.Params().BitSize + 7) / 8
	if len(signature) != 2*size {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
	return ecdsa.Verify(public, digest, r, s)
}
