package tokensource_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/mintmark-auth/mintmark/pkg/tokensource"
)

// secret stands for what a server repeats that it should keep to itself.
const secret = "r1-and-the-secret"

// silent fails if an error, or one that it wraps, shows the secret.
func silent(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Error("there is no error")
	}
	for rest := []error{err}; len(rest) > 0; rest = rest[1:] {
		for _, text := range []string{fmt.Sprintf("%+v", rest[0]), fmt.Sprintf("%q", rest[0])} {
			if strings.Contains(strings.ToLower(text), secret) {
				t.Errorf("the error shows what the server sent: %s", text)
			}
		}
		switch wrapper := rest[0].(type) { //nolint:errorlint // the chain itself
		case interface{ Unwrap() error }:
			if inner := wrapper.Unwrap(); inner != nil {
				rest = append(rest, inner)
			}
		case interface{ Unwrap() []error }:
			rest = append(rest, wrapper.Unwrap()...)
		}
	}
}

func TestErrorsHoldNoTextOfTheAuthority(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for name, first := range map[string]fault{
			"error":             says(400, `{"error":"`+secret+`"}`),
			"error_description": says(401, `{"error":"invalid_client","error_description":"`+secret+`"}`),
			"error_uri":         says(400, `{"error":"invalid_grant","error_uri":"https://a.example/?`+secret+`"}`),
			"another member":    says(400, `{"error":"invalid_scope","`+secret+`":"`+secret+`"}`),
			"a page":            says(500, secret),
			"half an answer":    says(200, `{"access_token":"`+secret),
			"content type":      says(200, `{"access_token":"a2"}`, "Content-Type", "text/"+secret),
			"token_type":        says(200, `{"access_token":"a2","refresh_token":"r2","token_type":"`+secret+`"}`),
			"Location":          says(302, "", "Location", "https://a.example:"+secret),
			"Retry-After":       says(429, "", "Retry-After", secret),
			"the transport": func(*http.Request, func() *http.Response) (*http.Response, error) {
				return nil, fmt.Errorf("malformed HTTP response %q", secret)
			},
			"a dial": func(*http.Request, func() *http.Response) (*http.Response, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New(secret)}
			},
		} {
			t.Log(name)
			faults := make([]fault, 50)
			for n := range faults {
				faults[n] = first
			}
			source := newAuthority(faults...).source(t, dead)
			for range 2 { // the second is told how long to wait
				_, err := source.TokenContext(t.Context())
				silent(t, err)
			}
		}
	})
}

func TestErrorsOfTheConfigurationHoldNoPartOfAnAddressThatMayBeSecret(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := newAuthority().source(t)
		for _, address := range []string{
			"https://u:" + secret + "@auth.example.com/oauth/token", "https://auth.example.com/oauth/token?key=" + secret, "https://auth.example.com/#" + secret,
			"http://auth.example.com/" + secret, secret, "u:" + secret + "@auth.example.com/", "https://u:" + secret + "@[::1/", "https:u:" + secret + "@a/", "ftp://" + secret + "@a/",
		} {
			_, err := tokensource.New(tokensource.Config{TokenURL: address, ClientID: "c", Token: &oauth2.Token{RefreshToken: "r"}})
			silent(t, err)
			_, err = source.Transport(nil, orders, address)
			silent(t, err)
		}
		cfg := tokensource.Config{ClientSecret: secret, Token: &oauth2.Token{RefreshToken: secret}}
		for _, printed := range []string{fmt.Sprint(cfg), fmt.Sprintf("%+v", cfg), fmt.Sprintf("%#v", cfg), fmt.Sprintf("%+v", &cfg)} {
			if strings.Contains(printed, secret) {
				t.Errorf("printed %s", printed)
			}
		}
	})
}

func TestErrorsNameWhatRFCsDefineAndTheStatus(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for body, want := range map[string]string{
			`{"error":"invalid_client"}`: "answered 400 invalid_client", `{"error":"use_dpop_nonce"}`: "answered 400 use_dpop_nonce",
			`{"error":"invalid_grant"}`: "answered 400 invalid_grant", `{"error":"invalid_target"}`: "answered 400 invalid_target",
			`{"error":"INVALID_CLIENT"}`: "answered 400 with an error that no RFC defines",
		} {
			_, err := newAuthority(says(400, body, "Content-Type", "application/json")).source(t, dead).TokenContext(t.Context())
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", body, err, want)
			}
		}
	})
}

// TestAnAnswerThatTwoReadersUnderstandDifferentlyCountsAsLost: it neither renews nor ends the session.
func TestAnAnswerThatTwoReadersUnderstandDifferentlyCountsAsLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const pair = `"access_token":"evil","token_type":"Bearer","refresh_token":"r9"`
		for name, c := range map[string]struct {
			status      int
			body        string
			contentType []string
		}{
			"a name in another case":    {200, `{"Access_Token":"evil","token_type":"Bearer","refresh_token":"r9"}`, nil},
			"an end in another case":    {400, `{"Error":"invalid_grant"}`, nil},
			"an end with spaces":        {400, `{"error ":"invalid_grant"}`, nil},
			"a name twice":              {200, `{"access_token":"a2",` + pair + `}`, nil},
			"a name twice, once hidden": {200, `{"access\u005ftoken":"a2",` + pair + `}`, nil},
			"an end twice":              {400, `{"error":"invalid_client","error":"invalid_grant"}`, nil},
			"an unknown name twice":     {400, `{"x":1,"x":2,"error":"invalid_grant"}`, nil},
			"twice below":               {200, `{` + pair + `,"x":[{"y":{"z":1,"z":2}}]}`, nil},
			"two objects":               {200, `{` + pair + `}{}`, nil},
			"a trailing comma":          {200, `{` + pair + `,}`, nil},
			"an array":                  {400, `[{"error":"invalid_grant"}]`, nil},
			"nothing":                   {400, `null`, nil},
			"a number as a token":       {200, `{"access_token":9,"token_type":"Bearer","refresh_token":"r9"}`, nil},
			"a list as a token":         {200, `{"access_token":["evil"],"refresh_token":"r9"}`, nil},
			"null as a refresh token":   {200, `{"access_token":"evil","refresh_token":null}`, nil},
			"a list as an error":        {400, `{"error":["invalid_grant"]}`, nil},
			"a line break in a token":   {200, `{"access_token":"evil\r\nX: y","refresh_token":"r9"}`, nil},
			"half a character":          {200, `{"access_token":"evil\ud800","refresh_token":"r9"}`, nil},
			"bytes that are no UTF-8":   {200, "{" + pair + ",\"x\":\"\xff\"}", nil},
			"a byte order mark":         {200, "\ufeff{" + pair + "}", nil},
			"too deep":                  {200, `{` + pair + `,"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, nil},
			"too many objects deep":     {200, `{` + pair + `,"x":` + strings.Repeat(`{"y":`, 40) + "1" + strings.Repeat("}", 40) + `}`, nil},
			"too large":                 {200, `{` + pair + `}` + strings.Repeat(" ", 1<<20), nil},
			"a page":                    {400, `{"error":"invalid_grant"}`, []string{"text/html"}},
			"a page that renews":        {200, `{` + pair + `}`, []string{"text/html; charset=utf-8"}},
			"nearly JSON":               {200, `{` + pair + `}`, []string{"application/jsonp"}},
			"two types":                 {200, `{` + pair + `}`, []string{"application/json", "text/html"}},
			"no type":                   {200, `{` + pair + `}`, []string{""}},
		} {
			a := newAuthority(func(r *http.Request, _ func() *http.Response) (*http.Response, error) {
				answer := response(r, c.status, c.body)
				answer.Header["Content-Type"] = c.contentType
				return answer, nil
			})
			token, err := a.source(t, dead).TokenContext(t.Context())
			if heard := a.requests(); err != nil || token.AccessToken != "a2" || len(heard) != 2 || heard[1].token != "r1" {
				t.Errorf("%s: %v, %v after %d requests, want a repeat", name, token, err, len(heard))
			}
		}
	})
}

// TestJSONIsReadWhateverParametersItsTypeHas, and where net/http had to guess the type.
func TestJSONIsReadWhateverParametersItsTypeHas(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, kind := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\"", "text/plain; charset=utf-8"} {
			body := "\n {\"access_token\" : \"a2\" , \"x\":[ {\"y\": {}} , {\"y\":1} ],\r\n\"refresh_token\":\"r2\"} \n"
			a := newAuthority(says(200, body, "Content-Type", kind))
			if want(t, a.source(t, dead), "a2"); len(a.requests()) != 1 {
				t.Errorf("%s: %d requests", kind, len(a.requests()))
			}
		}
	})
}
