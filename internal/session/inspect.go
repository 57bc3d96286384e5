package session

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// Inspection is what an operator may know about a string that was presented as a refresh
// token. The client that presents it only ever gets [ErrToken].
type Inspection struct {
	Token   RefreshToken
	KeyID   byte   // of its MAC key
	Defect  string // why it is no token of ours, or "" if it is one
	Legible bool   // the fields could be read; with a Defect they are unverified
}

// Inspect takes a token apart as [Mint.Parse] does, and says what is wrong with one
// that Parse refuses.
func (m *Mint) Inspect(s string) Inspection {
	encoded, ok := strings.CutPrefix(s, tokenPrefix)
	if !ok {
		return Inspection{Defect: "it does not begin with " + tokenPrefix}
	}
	if want := base64.RawURLEncoding.EncodedLen(tokenSize); len(encoded) != want {
		return Inspection{Defect: fmt.Sprintf("it has %d characters behind %s, not %d: cut off, or run together with something", len(encoded), tokenPrefix, want)}
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(b) != tokenSize {
		return Inspection{Defect: "it is not strict base64url: it was changed on its way"}
	}
	found := Inspection{Token: fields(b), KeyID: b[1], Legible: b[0] == tokenVersion}
	key, known := m.keys[b[1]]
	switch _, err := m.Parse(s); {
	case err == nil:
		found.Token.Compromised = key.compromised
	case !found.Legible:
		found.Defect = fmt.Sprintf("it is of version %d of the format, and this mintmark knows %d", b[0], tokenVersion)
	case !known:
		found.Defect = fmt.Sprintf("it was made under the root secret %d, which is not among those configured here", b[1])
	default:
		found.Defect = fmt.Sprintf("its MAC is not what the root secret %d and the issuer %s give: it is damaged or forged, or of another issuer or another secret with that id", b[1], m.issuer)
	}
	return found
}
