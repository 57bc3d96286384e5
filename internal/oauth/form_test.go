package oauth_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mintmark-auth/mintmark/internal/oauth"
)

func TestAFormHasEachParameterOnce(t *testing.T) {
	t.Parallel()
	form, err := oauth.ParseForm("grant_type=refresh_token&scope=&x=a+b%26c")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"grant_type": "refresh_token", "x": "a b&c", "scope": "", "y": ""} {
		if got := form.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
		if got := len(form.All(name)); (got == 1) != (want != "") || got > 1 {
			t.Errorf("%s has %d values", name, got)
		}
	}
	for name, body := range map[string]string{
		"repeated":           "a=1&a=2",
		"repeated empty":     "a=&a=",
		"semicolon":          "a=1;b=2",
		"broken escape":      "a=%zz",
		"NUL":                "a=%00",
		"a name with NUL":    "%00=a",
		"invalid UTF-8":      "a=%ff",
		"a lone surrogate":   "a=%ef%bf%bd",
		"a million of them":  strings.Repeat("&", 1<<20),
		"more than bearable": strings.Repeat("a=1&", 64),
		"nine resources":     strings.Repeat("resource=a&", 9),
		"nine audiences":     strings.Repeat("audience=a&", 9),
		"nine, most empty":   strings.Repeat("audience=&", 8) + "audience=a",
		"a second is NUL":    "resource=a&resource=%00",
	} {
		_, err := oauth.ParseForm(body)
		if refusal, ok := errors.AsType[*oauth.Error](err); !ok || refusal.Code != oauth.InvalidRequest {
			t.Errorf("%s: got %v, want invalid_request", name, err)
		}
	}
}

func TestALineBreakAtTheEndOfAParameterIsToldByItsName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"grant_type", "client_id", "client_secret", "refresh_token", "scope", "token", "token_type_hint", "resource", "audience"} {
		for _, end := range []string{"\n", "\r\n", "\r", "\n\n"} {
			for _, value := range []string{"hunter2", ""} {
				_, err := oauth.ParseForm(url.Values{name: {value + end}}.Encode())
				refusal, ok := errors.AsType[*oauth.Error](err)
				if want := name + " ends with a line break"; !ok || refusal.Code != oauth.InvalidRequest || refusal.Description != want {
					t.Errorf("%s=%q: got %v, want %q", name, value+end, err, want)
				}
			}
		}
		if _, err := oauth.ParseForm(url.Values{name: {"a\nb"}}.Encode()); err != nil {
			t.Errorf("%s with a line break within: %v", name, err)
		}
	}
	if form, err := oauth.ParseForm("x=1%0A"); err != nil || form.Get("x") != "1\n" {
		t.Errorf("a parameter that nobody knows: %q, %v", form.Get("x"), err)
	}
	if _, err := oauth.ParseForm("resource=a&resource=b%0A"); err == nil {
		t.Error("the second resource may end with a line break")
	}
}

// TestOnlyResourceAndAudienceComeSeveralTimes, up to eight, in their order.
func TestOnlyResourceAndAudienceComeSeveralTimes(t *testing.T) {
	t.Parallel()
	want := []string{"h", "g", "f", "e", "d", "c", "b", "a"}
	for _, name := range []string{"resource", "audience"} {
		form, err := oauth.ParseForm(url.Values{name: want}.Encode())
		if got := form.All(name); err != nil || !slices.Equal(got, want) || form.Get(name) != "h" {
			t.Errorf("%s is %v, %v; want %v", name, got, err, want)
		}
		form, err = oauth.ParseForm(name + "=&" + name + "=a")
		if got := form.All(name); err != nil || !slices.Equal(got, []string{"a"}) {
			t.Errorf("%s is %v, %v; want the one that has a value", name, got, err)
		}
	}
}

// TestAFormHasAtMostSixtyFourParameters, and they are read as they are written.
func TestAFormHasAtMostSixtyFourParameters(t *testing.T) {
	t.Parallel()
	form := func(n int) string {
		names := make([]string, n)
		for i := range names {
			names[i] = "p" + string(rune('a'+i/26)) + string(rune('a'+i%26)) + "=1"
		}
		return strings.Join(names, "&")
	}
	if got, err := oauth.ParseForm(form(64)); err != nil || got.Get("paa") != "1" || got.Get("pcl") != "1" {
		t.Errorf("64 parameters: the first %q, the last %q, %v", got.Get("paa"), got.Get("pcl"), err)
	}
	if _, err := oauth.ParseForm(form(65)); err == nil {
		t.Error("65 parameters are taken")
	}
}

func FuzzParseForm(f *testing.F) {
	f.Add("grant_type=refresh_token&client_id=first-party", "client_id")
	f.Add("resource=a&resource=b", "resource")
	f.Fuzz(func(t *testing.T, body, name string) {
		form, err := oauth.ParseForm(body)
		if err != nil {
			return
		}
		for _, value := range form.All(name) {
			if value == "" || !utf8.ValidString(name+value) || strings.ContainsRune(name+value, 0) {
				t.Errorf("accepted %q=%q", name, value)
			}
		}
	})
}
