package torture

import (
	"encoding/base64"
	"strings"
)

func encodingCases() []Case {
	return []Case{
		{ID: "base64-padding", Name: "base64url with its padding", Source: "RFC 7515 §2, §5.2", shots: base64Padding},
		{ID: "base64-alphabet", Name: "the other alphabet of base64", Source: "RFC 7515 §2, §5.2", shots: base64Alphabet},
		{ID: "base64-whitespace", Name: "whitespace inside base64url", Source: "RFC 7515 §5.2", shots: func(k *kit) []shot {
			signed, signature := cutSignature(k.good())
			text := b64(signature)
			return []shot{
				{sent: "a space in the signature", token: signed + "." + text[:9] + " " + text[9:]},
				{sent: "a tab in the signature", token: signed + "." + text[:9] + "\t" + text[9:]},
			}
		}},
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

// base64Padding pads the signature and, where we can sign, a header and a payload over which the signature is good.
func base64Padding(k *kit) []shot {
	signed, signature := cutSignature(k.good())
	var all []shot
	if padded := base64.URLEncoding.EncodeToString(signature); strings.HasSuffix(padded, "=") {
		all = append(all, shot{sent: "in the signature", token: signed + "." + padded})
	}
	if k.key == nil {
		return all
	}
	header, payload := ragged(k.head(nil)), ragged(k.body(nil))
	padded := base64.URLEncoding.EncodeToString
	return append(all,
		shot{sent: "in the header, as it was signed", token: sealed(padded([]byte(header))+"."+b64(payload), k.key)},
		shot{sent: "in the payload, as it was signed", token: sealed(b64(header)+"."+padded([]byte(payload)), k.key)})
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
