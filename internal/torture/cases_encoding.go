package torture

import (
	"encoding/base64"
	"strings"
)

func encodingCases() []Case {
	return []Case{
		{ID: "base64-padding", Name: "base64url with its padding, as it was signed", Source: "RFC 7515 §2, §5.2", Needs: NeedKey, shots: base64Padding},
		{ID: "base64-alphabet", Name: "the other alphabet of base64", Source: "RFC 7515 §2, §5.2", shots: base64Alphabet},
		{ID: "base64-signature", Name: "padding or whitespace in the signature alone", Source: "RFC 7515 §2, §5.2", Must: Either,
			Remark: "one token has more than one spelling: never look a token up by its text", shots: base64Signature},
		{ID: "base64-trailing-bits", Name: "another spelling of the same signature", Source: "RFC 4648 §3.5", Must: Either,
			Remark: "one token has more than one spelling: never look a token up by its text", shots: func(k *kit) []shot {
				signed, signature := cutSignature(k.good())
				respelt, ok := respell(b64(signature))
				if !ok {
					return nil
				}
				return []shot{{sent: "bits that carry nothing", token: signed + "." + respelt}}
			}},
	}
}

// base64Padding pads a header and a payload over which the signature is good.
func base64Padding(k *kit) []shot {
	header, payload := ragged(k.head(nil)), ragged(k.body(nil))
	padded := base64.URLEncoding.EncodeToString
	return []shot{
		{sent: "in the header", token: sealed(padded([]byte(header))+"."+b64(payload), k.key)},
		{sent: "in the payload", token: sealed(b64(header)+"."+padded([]byte(payload)), k.key)},
	}
}

func base64Signature(k *kit) []shot {
	signed, signature := cutSignature(k.good())
	text := b64(signature)
	all := []shot{
		{sent: "a space", token: signed + "." + text[:9] + " " + text[9:]},
		{sent: "a tab", token: signed + "." + text[:9] + "\t" + text[9:]},
	}
	if padded := base64.URLEncoding.EncodeToString(signature); strings.HasSuffix(padded, "=") {
		all = append(all, shot{sent: "padding", token: signed + "." + padded})
	}
	return all
}

func base64Alphabet(k *kit) []shot {
	signed, signature := cutSignature(k.good())
	var all []shot
	if text := base64.RawStdEncoding.EncodeToString(signature); strings.ContainsAny(text, "+/") {
		all = append(all, shot{sent: "in the signature", token: signed + "." + text})
	}
	if k.key == nil {
		return all
	}
	payload := k.body(set{"x": "?????"}) // three of them are Pz8/, wherever they begin
	return append(all, shot{sent: "in the payload, as it was signed",
		token: sealed(b64(k.head(nil))+"."+base64.RawStdEncoding.EncodeToString([]byte(payload)), k.key)})
}

// ragged adds spaces, which JSON allows, until base64 needs padding.
func ragged(text string) string {
	for len(text)%3 != 1 {
		text += " "
	}
	return text
}

// respell changes bits of the last character that carry nothing, if there are any.
func respell(text string) (string, bool) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	if len(text)%4 == 0 {
		return "", false
	}
	last := strings.IndexByte(alphabet, text[len(text)-1])
	return text[:len(text)-1] + string(alphabet[last^1]), true
}
