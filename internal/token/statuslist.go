package token

import (
	"encoding/base64"
	"fmt"
	"time"
)

// StatusListType is the `typ` of a status list token (draft-ietf-oauth-status-list §5.1).
const StatusListType = "statuslist+jwt"

// The claim that names the key set is our own, with a collision-resistant name (RFC 7519 §4.2): whoever does not know it
// ignores it.

// StatusList is what a status list token says. Times are in whole seconds.
type StatusList struct {
	URI        string
	IssuedAt   time.Time
	Expiry     time.Time
	TTL        time.Duration // how long a verifier may go without asking again
	KeySet     string        // names the published key set; empty: no claim names it
	Compressed []byte        // one bit per token, in the ZLIB format
}

type wireStatusList struct {
	Subject    string       `json:"sub"`
	IssuedAt   int64        `json:"iat"`
	Expiry     int64        `json:"exp"`
	TTL        int64        `json:"ttl"`
	KeySet     string       `json:"https://github.com/mintmark-auth/mintmark/jwks-sha256,omitempty"`
	StatusList wireListBits `json:"status_list"`
}

type wireListBits struct {
	Bits int    `json:"bits"`
	List string `json:"lst"`
}

// SignStatusList returns the list as a JWS in compact form.
func (s *Signer) SignStatusList(l StatusList) (string, error) {
	signed, err := s.sign(s.list, wireStatusList{
		Subject: l.URI, IssuedAt: l.IssuedAt.Unix(), Expiry: l.Expiry.Unix(), TTL: int64(l.TTL / time.Second), KeySet: l.KeySet,
		StatusList: wireListBits{Bits: 1, List: base64.RawURLEncoding.EncodeToString(l.Compressed)},
	})
	if err != nil {
		return "", fmt.Errorf("sign status list: %w", err)
	}
	return signed, nil
}
