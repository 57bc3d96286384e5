package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

const canary = "canary-7f3a"

// holder keeps secrets where fmt may call no method of theirs.
type holder struct {
	text  secret.String
	roots secret.Roots
	Text  secret.String
	Roots secret.Roots
}

func newHolder(t *testing.T) holder {
	t.Helper()
	roots := mustParse(t, "1:"+encode(canary+strings.Repeat("x", 32-len(canary))))
	text := secret.NewString(canary)
	return holder{text, roots, text, roots}
}

func TestNoPrintingShowsASecret(t *testing.T) {
	t.Parallel()
	h := newHolder(t)
	// Every form in which fmt might write the canary's octets.
	forms := []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), encode(canary)[:12]}
	decimal := strings.Trim(fmt.Sprint([]byte(canary)), "[]") //nolint:staticcheck // the octets as numbers
	hexList := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", []byte(canary)), "[]byte{"), "}")
	forms = append(forms, decimal, hexList)

	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p"} {
		for _, value := range []any{h, &h, h.Text, h.Roots, h.Roots[0], &h.Roots[0], []any{h.Text}} {
			got := fmt.Sprintf(verb, value)
			for _, form := range forms {
				if strings.Contains(got, form) {
					t.Errorf("%s of %T prints the secret: %s", verb, value, got)
				}
			}
		}
	}
}

func TestEveryEncodingSaysRedacted(t *testing.T) {
	t.Parallel()
	h := newHolder(t)
	for _, value := range []any{h.Text, h.Roots[0]} {
		for _, verb := range []string{"%v", "%#v", "%s", "%x"} {
			if got := fmt.Sprintf(verb, value); got != "REDACTED" {
				t.Errorf("%s of %T = %q, want REDACTED", verb, value, got)
			}
		}
		encoded, err := json.Marshal(map[string]any{"v": value})
		if got, want := string(encoded), `{"v":"REDACTED"}`; err != nil || got != want {
			t.Errorf("JSON of %T = %s, %v, want %s", value, got, err, want)
		}
		text, err := value.(interface{ MarshalText() ([]byte, error) }).MarshalText()
		if err != nil || string(text) != "REDACTED" {
			t.Errorf("text of %T = %s, %v, want REDACTED", value, text, err)
		}
		for _, handler := range []func(*bytes.Buffer) slog.Handler{
			func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var out bytes.Buffer
			slog.New(handler(&out)).Info("m", "v", value)
			if !strings.Contains(out.String(), "REDACTED") {
				t.Errorf("log of %T = %s, want REDACTED", value, out.String())
			}
		}
	}
}

func TestRevealGivesTheValue(t *testing.T) {
	t.Parallel()
	if got := secret.NewString(canary).Reveal(); got != canary {
		t.Errorf("String.Reveal() = %q, want %q", got, canary)
	}
	if got := (secret.String{}).Reveal(); got != "" {
		t.Errorf("zero String.Reveal() = %q, want empty", got)
	}
}

func TestEmptySaysWhetherThereIsASecret(t *testing.T) {
	t.Parallel()
	for name, got := range map[string]bool{
		"zero String":  (secret.String{}).Empty(),
		"empty String": secret.NewString("").Empty(),
		"String":       !secret.NewString("x").Empty(),
	} {
		if !got {
			t.Errorf("%s: Empty() is wrong", name)
		}
	}
}

func TestEqualComparesWholeValues(t *testing.T) {
	t.Parallel()
	cases := []struct {
		a, b string
		want bool
	}{{"", "", true}, {"ab", "ab", true}, {"ab", "ac", false}, {"ab", "a", false}, {"", "a", false}}
	for _, c := range cases {
		if got := secret.Equal([]byte(c.a), []byte(c.b)); got != c.want {
			t.Errorf("Equal(%q, %q) = %v, want %v", c.a, c.b, got, c.want)
		}
		if got := secret.NewString(c.a).Equal(secret.NewString(c.b)); got != c.want {
			t.Errorf("String %q Equal %q = %v, want %v", c.a, c.b, got, c.want)
		}
	}
}
