package httpapi_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/httpapi"
	"github.com/mintmark-auth/mintmark/internal/oauth"
)

func TestJSONBodyIsOneFlatObjectOfKnownStrings(t *testing.T) {
	t.Parallel()
	known := []string{"username", "password"}
	got, err := httpapi.ParseStrings([]byte(` {"username":"ad\u0061","password":"p\n"} `), known)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"username": "ada", "password": "p\n"}, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	refused := map[string]string{
		"nothing":            ``,
		"no object":          `"username"`,
		"an array":           `["username"]`,
		"not closed":         `{"username":"ada"`,
		"no colon":           `{"username" "ada"}`,
		"trailing comma":     `{"username":"ada",}`,
		"trailing garbage":   `{"username":"ada"} x`,
		"two documents":      `{"username":"ada"}{}`,
		"an extra brace":     `{"username":"ada"}}`,
		"byte order mark":    "\uFEFF" + `{"username":"ada"}`,
		"unknown member":     `{"username":"ada","role":"admin"}`,
		"other case":         `{"Username":"ada"}`,
		"repeated member":    `{"username":"ada","username":"eve"}`,
		"repeated by escape": `{"username":"ada","\u0075sername":"eve"}`,
		"null":               `{"username":null}`,
		"number":             `{"username":1}`,
		"true":               `{"username":true}`,
		"object":             `{"username":{}}`,
		"array":              `{"username":["ada"]}`,
		"NUL":                `{"username":"a\u0000"}`,
		"lone surrogate":     `{"username":"a\ud800"}`,
		"invalid UTF-8":      "{\"username\":\"a\xff\"}",
		"raw control":        "{\"username\":\"a\x01\"}",
		"deep nesting":       strings.Repeat(`{"username":`, 10_000),
		"not a number":       `{"username":NaN}`,
		"single quotes":      `{'username':'ada'}`,
		"comment":            `{"username":"ada"/**/}`,
	}
	for name, body := range refused {
		if _, err := httpapi.ParseStrings([]byte(body), known); !errors.Is(err, httpapi.ErrRequest) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
}

func TestFormTakesEachParameterOnce(t *testing.T) {
	t.Parallel()
	got, err := httpapi.ParseForm("grant_type=refresh_token&scope=&x=a+b%26c")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"grant_type": "refresh_token", "x": "a b&c"}, got); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	refused := map[string]string{
		"repeated":           "a=1&a=2",
		"repeated empty":     "a=&a=",
		"semicolon":          "a=1;b=2",
		"broken escape":      "a=%zz",
		"NUL":                "a=%00",
		"invalid UTF-8":      "a=%ff",
		"a million of them":  strings.Repeat("&", 1<<20),
		"more than bearable": strings.Repeat("a=1&", 64),
	}
	for name, body := range refused {
		_, err := httpapi.ParseForm(body)
		var refusal *oauth.Error
		if !errors.As(err, &refusal) || refusal.Code != oauth.InvalidRequest {
			t.Errorf("%s: got %v, want invalid_request", name, err)
		}
	}
}

func FuzzParseStrings(f *testing.F) {
	f.Add([]byte(`{"username":"ada","password":"x"}`))
	f.Add([]byte(`{"username":"\ud83d\ude00"}`))
	known := []string{"username", "password"}
	f.Fuzz(func(t *testing.T, body []byte) {
		members, err := httpapi.ParseStrings(body, known)
		if err != nil {
			return
		}
		for name, value := range members {
			if (name != "username" && name != "password") || !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
				t.Errorf("accepted %q: %q", name, value)
			}
		}
	})
}

func FuzzParseForm(f *testing.F) {
	f.Add("grant_type=refresh_token&client_id=first-party")
	f.Fuzz(func(t *testing.T, body string) {
		parameters, err := httpapi.ParseForm(body)
		if err != nil {
			return
		}
		for name, value := range parameters {
			if value == "" || !utf8.ValidString(name+value) || strings.ContainsRune(name+value, 0) {
				t.Errorf("accepted %q=%q", name, value)
			}
		}
	})
}
