package torture

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"math/big"
	"slices"
)

func signatureCases() []Case {
	return []Case{
		{ID: "signature-absent", Name: "no signature", Source: "RFC 7515 §5.2", shots: func(k *kit) []shot {
			good := k.good()
			header, payload, _ := parts(good)
			return []shot{
				{sent: "nothing behind the second dot", token: header + "." + payload + ".", first: good},
				{sent: "no second dot", token: header + "." + payload, first: good},
			}
		}},
		{ID: "signature-damaged", Name: "a damaged signature", Source: "RFC 8017 §8.2.2, CVE-2026-27840", shots: signatureDamaged},
		{ID: "signature-foreign", Name: "a forger's signature under the issuer's kid", Source: "RFC 7515 §5.2", shots: func(k *kit) []shot {
			return []shot{{sent: "every claim as it should be", token: k.forge(nil, nil)}}
		}},
		{ID: "payload-edited", Name: "a good token with another payload", Source: "RFC 7515 §5.2", shots: payloadEdited},
		{ID: "header-edited", Name: "a good token with another header", Source: "RFC 7515 §5.2", shots: func(k *kit) []shot {
			good := k.good()
			_, payload, signature := parts(good)
			return []shot{{sent: "one member more", token: b64(k.head(set{"x": 1})) + "." + payload + "." + signature, first: good}}
		}},
		{ID: "signature-padding", Name: "a signature whose padding RFC 8017 does not allow", Source: "RFC 8017 §9.2, CVE-2006-4339",
			Needs: NeedKey, shots: signaturePadding},
	}
}

func signatureDamaged(k *kit) []shot {
	good := k.good()
	signed, signature := cutSignature(good)
	flip := func(at int) []byte {
		flipped := slices.Clone(signature)
		flipped[at] ^= 1
		return flipped
	}
	all := []shot{}
	for _, one := range []struct {
		sent string
		text []byte
	}{
		{"one byte less", signature[:len(signature)-1]},
		{"the first half", signature[:len(signature)/2]},
		{"a zero behind it", append(slices.Clone(signature), 0)},
		{"a zero before it", append([]byte{0}, signature...)},
		{"one bit of the first byte", flip(0)},
		{"one bit of the last byte", flip(len(signature) - 1)},
		{"twice", append(slices.Clone(signature), signature...)},
		{"one byte", []byte{0}},
		{"zeros", make([]byte, len(signature))},
		{"ones", bytes.Repeat([]byte{0xff}, len(signature))},
	} {
		all = append(all, shot{sent: one.sent, token: signed + "." + b64(one.text), first: good})
	}
	return all
}

func payloadEdited(k *kit) []shot {
	good := k.good()
	header, _, signature := parts(good)
	var all []shot
	for _, one := range []struct {
		sent   string
		change set
	}{
		{"another sub", set{"sub": "admin"}},
		{"a later exp", set{"exp": k.now().Add(240 * lifetime).Unix()}},
		{"another scope", set{"scope": "admin"}},
	} {
		all = append(all, shot{sent: one.sent, token: header + "." + b64(k.body(one.change)) + "." + signature, first: good})
	}
	return all
}

// digestInfo stands before a SHA-256 digest in PKCS #1 v1.5 (RFC 8017 §9.2).
var digestInfo = []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}

func signaturePadding(k *kit) []shot {
	signed := b64(k.head(nil)) + "." + b64(k.body(nil))
	digest := append(slices.Clone(digestInfo), sum(crypto.SHA256, signed)...)
	pad := func(padding int, tail string) string {
		em := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, padding)...)
		em = append(append(append(em, 0), digest...), tail...)
		return signed + "." + b64(rawRSA(k.key, append(em, make([]byte, k.key.Size()-len(em))...)))
	}
	return []shot{
		{sent: "short, zeros behind the digest", token: pad(8, "")},
		{sent: "short, text behind the digest", token: pad(8, "garbage")},
		{sent: "one byte short, one behind the digest", token: pad(k.key.Size()-3-len(digest)-1, "x")},
	}
}

// rawRSA is the private operation, without any padding.
func rawRSA(key *rsa.PrivateKey, em []byte) []byte {
	m := new(big.Int).SetBytes(em)
	return m.Exp(m, key.D, key.N).FillBytes(make([]byte, key.Size()))
}
