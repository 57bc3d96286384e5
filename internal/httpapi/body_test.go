package httpapi_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/httpapi"
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
