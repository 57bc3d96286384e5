package token

import (
	"encoding/base64"
	"encoding/json"
	"time"
)

// Claims are the claims of an access token (RFC 9068 §2.2). Times are in whole
// seconds. A claim whose field is zero is absent from the token.
type Claims struct {
	Issuer    string
	Subject   string
	Audiences []string
	ClientID  string
	SessionID string
	ID        string // jti; see [NewID]
	AuthTime  time.Time
	IssuedAt  time.Time
	Expiry    time.Time
	Scope     string // separated by spaces (RFC 8693 §4.2)
	ACR       string
	AMR       []string
	JKT       []byte  // cnf: SHA-256 thumbprint of the key that the token is bound to (RFC 9449 §6.1)
	Actor     *Actor  // act: the party that acts for the subject
	Status    *Status // the place of the token in a status list
}

// Actor is the party that acts for a subject, and the one that acted before it
// (RFC 8693 §4.1).
type Actor struct {
	Subject string `json:"sub"`
	Before  *Actor `json:"act,omitempty"`
}

// Status is the place of a token in a status list
// (draft-ietf-oauth-status-list §6.2).
type Status struct {
	Index int64
	URI   string // of the list
}

// wireClaims names the claims on the wire: the only list of them.
type wireClaims struct {
	Issuer    string      `json:"iss"`
	Subject   string      `json:"sub"`
	Audience  audience    `json:"aud,omitempty"`
	Expiry    int64       `json:"exp"`
	IssuedAt  int64       `json:"iat"`
	ID        string      `json:"jti"`
	ClientID  string      `json:"client_id"`
	SessionID string      `json:"sid,omitempty"`
	AuthTime  *int64      `json:"auth_time,omitempty"`
	Scope     string      `json:"scope,omitempty"`
	ACR       string      `json:"acr,omitempty"`
	AMR       []string    `json:"amr,omitempty"`
	Key       *wireKey    `json:"cnf,omitempty"`
	Actor     *Actor      `json:"act,omitempty"`
	Status    *wireStatus `json:"status,omitempty"`
}

type wireKey struct {
	JKT string `json:"jkt"`
}

type wireStatus struct {
	StatusList wireStatusReference `json:"status_list"`
}

type wireStatusReference struct {
	Index int64  `json:"idx"`
	URI   string `json:"uri"`
}

// audience is one text, or an array of several (RFC 7519 §4.1.3).
type audience []string

// MarshalJSON implements [json.Marshaler].
func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// UnmarshalJSON implements [json.Unmarshaler].
func (a *audience) UnmarshalJSON(b []byte) error {
	if b[0] == '"' { // encoding/json gives no empty text
		*a = make(audience, 1)
		return json.Unmarshal(b, &(*a)[0])
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// wire is what the claims are on the wire.
func (c Claims) wire() wireClaims {
	w := wireClaims{
		Issuer: c.Issuer, Subject: c.Subject, Audience: c.Audiences, ID: c.ID, ClientID: c.ClientID, SessionID: c.SessionID,
		Expiry: c.Expiry.Unix(), IssuedAt: c.IssuedAt.Unix(),
		Scope: c.Scope, ACR: c.ACR, AMR: c.AMR, Actor: c.Actor,
	}
	if !c.AuthTime.IsZero() {
		seconds := c.AuthTime.Unix()
		w.AuthTime = &seconds
	}
	if len(c.JKT) > 0 {
		w.Key = &wireKey{base64.RawURLEncoding.EncodeToString(c.JKT)}
	}
	if c.Status != nil {
		w.Status = &wireStatus{wireStatusReference{Index: c.Status.Index, URI: c.Status.URI}}
	}
	return w
}

// claims reads what [Claims.wire] wrote.
func (w wireClaims) claims() (Claims, error) {
	c := Claims{
		Issuer: w.Issuer, Subject: w.Subject, Audiences: w.Audience, ID: w.ID, ClientID: w.ClientID, SessionID: w.SessionID,
		Expiry: time.Unix(w.Expiry, 0).UTC(), IssuedAt: time.Unix(w.IssuedAt, 0).UTC(),
		Scope: w.Scope, ACR: w.ACR, AMR: w.AMR, Actor: w.Actor,
	}
	if w.AuthTime != nil {
		c.AuthTime = time.Unix(*w.AuthTime, 0).UTC()
	}
	if w.Key != nil {
		jkt, err := strictBase64().DecodeString(w.Key.JKT)
		if err != nil {
			return Claims{}, ErrToken
		}
		c.JKT = jkt
	}
	if w.Status != nil {
		c.Status = &Status{Index: w.Status.StatusList.Index, URI: w.Status.StatusList.URI}
	}
	return c, nil
}
