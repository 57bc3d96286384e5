package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxReply bounds what is read of an answer.
const maxReply = 1 << 20

// caller is the demo's client: bounded in time and size, following no redirect.
type caller struct{ client *http.Client }

func newCaller() caller {
	return caller{&http.Client{
		Timeout:       15 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// exchange is one request of the story and its answer, fit to be shown: tokens are
// shortened, passwords are not there.
type exchange struct {
	Method string            `json:"method"`
	URL    string            `json:"url"`
	Sent   map[string]string `json:"sent,omitempty"`
	Status int               `json:"status"`
	Said   string            `json:"said,omitempty"`
	Got    map[string]string `json:"got,omitempty"`
}

// pair is what a login or refresh grants.
type pair struct {
	AccessToken  string `json:"accessToken"`
	RefreshToken string `json:"refreshToken"`
	ExpiresIn    int    `json:"expiresIn"` // seconds
}

// envelope is an answer of the first-party API.
type envelope struct {
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

// post sends a JSON object to the first-party API.
func (c caller) post(ctx context.Context, url string, body map[string]string) (exchange, pair, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return exchange{}, pair{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(encoded))
	if err != nil {
		return exchange{}, pair{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	seen := exchange{Method: http.MethodPost, URL: url, Sent: presentable(body)}
	got, err := c.do(request)
	if err != nil {
		return seen, pair{}, err
	}
	var said envelope
	var granted pair
	if json.Unmarshal(got.body, &said) == nil && said.Data != nil {
		_ = json.Unmarshal(said.Data, &granted) // other data is no pair
	}
	seen.Status, seen.Said = got.status, limited(said.Message)
	if granted.AccessToken != "" {
		seen.Got = presentable(map[string]string{"accessToken": granted.AccessToken, "refreshToken": granted.RefreshToken})
	}
	return seen, granted, nil
}

// forecast asks the weather service, with an access token.
func (c caller) forecast(ctx context.Context, url, accessToken string) (exchange, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return exchange{}, err
	}
	request.Header.Set("Authorization", "Bearer "+accessToken)
	seen := exchange{Method: http.MethodGet, URL: url, Sent: map[string]string{"Authorization": "Bearer " + shorten(accessToken)}}
	got, err := c.do(request)
	if err != nil {
		return seen, err
	}
	seen.Status, seen.Said = got.status, limited(got.challenge)
	var days []struct {
		Date         string
		TemperatureC int
		Summary      string
	}
	if json.Unmarshal(got.body, &days) == nil && len(days) > 0 {
		seen.Said = limited(fmt.Sprintf("%s: %s, %d °C, and %d more days", days[0].Date, days[0].Summary, days[0].TemperatureC, len(days)-1))
	}
	return seen, nil
}

// reply is what the story needs of an answer.
type reply struct {
	status    int
	challenge string // WWW-Authenticate
	body      []byte
}

func (c caller) do(request *http.Request) (reply, error) {
	response, err := c.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	return reply{response.StatusCode, response.Header.Get("WWW-Authenticate"), body}, err
}

// presentable shortens tokens and hides passwords.
func presentable(members map[string]string) map[string]string {
	shown := make(map[string]string, len(members))
	for name, value := range members {
		switch {
		case name == "password":
			value = "***"
		case strings.HasSuffix(name, "Token"):
			value = shorten(value)
		}
		shown[name] = value
	}
	return shown
}

// shorten leaves enough of a token to tell it from others, too little to use it.
func shorten(token string) string {
	const head, tail = 5, 3
	if len(token) < 4*(head+tail) {
		return "…"
	}
	return token[:head] + "…" + token[len(token)-tail:]
}

// limited keeps what a server said on a line of bearable length.
func limited(text string) string {
	const longest = 200
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + "…"
	}
	return text
}

// claims are what the story shows of an access token (RFC 9068 §2.2).
type claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	ClientID  string   `json:"client_id"`
	SessionID string   `json:"sid"`
	IssuedAt  int64    `json:"iat"`
	Expiry    int64    `json:"exp"`
}

// audience is one name or a list of them (RFC 7519 §4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// decodeClaims reads an access token without checking it: that is what the weather
// service does.
func decodeClaims(token string) (claims, error) {
	var c claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, fmt.Errorf("the access token has %d parts, a JWS has 3", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &c)
	}
	if err != nil {
		return c, fmt.Errorf("read the claims of the access token: %w", err)
	}
	return c, nil
}
