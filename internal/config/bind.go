package config

import (
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mintmark-auth/mintmark/internal/duration"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

func bind[T any](field func(*Config) *T, parse func(string) (T, error), show func(T) string) binding {
	return binding{
		set: func(c *Config, text string) error {
			value, err := parse(text)
			if err == nil {
				*field(c) = value
			}
			return err
		},
		show: func(c Config) string { return show(*field(&c)) },
	}
}

// bindURL sets the field even where the URL is wrong, so that the rules about
// which stores belong together see that it was given.
func bindURL[T any](field func(*Config) *secret.String, parse func(string) (T, error)) binding {
	return binding{
		set: func(c *Config, text string) error {
			*field(c) = secret.NewString(text)
			if text == "" {
				return nil
			}
			_, err := parse(text)
			if d, ok := errors.AsType[*storeurl.Defect](err); ok {
				return &defect{what: d.What, mend: d.Mend}
			}
			return err
		},
		show: func(c Config) string {
			if field(&c).Empty() {
				return ""
			}
			return storeurl.Masked(field(&c).Reveal())
		},
	}
}

func fieldDatabaseURL(c *Config) *secret.String        { return &c.DatabaseURL }
func fieldDatabaseMigrateURL(c *Config) *secret.String { return &c.DatabaseMigrateURL }
func fieldRedisURL(c *Config) *secret.String           { return &c.RedisURL }

func rootSecretBinding() binding {
	parse := func(text string) (secret.Roots, error) {
		roots, err := secret.ParseRoots(text)
		if err != nil {
			return nil, defectf("see docs/configuration.md for the form", "%v", err)
		}
		return roots, nil
	}
	show := func(roots secret.Roots) string {
		if len(roots) == 0 {
			return ""
		}
		return storeurl.Stars
	}
	return bind(func(c *Config) *secret.Roots { return &c.RootSecret }, parse, show)
}

func bindDuration(field func(*Config) *time.Duration) binding {
	return bind(field, parseDuration, duration.Spell)
}

func parseDuration(text string) (time.Duration, error) {
	const mend = "write a number and a unit, like 90s, 5m or 720h (which is 30 days)"
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, defectf(mend, "%s is not a duration", quote(text))
	}
	if d%time.Second != 0 {
		return 0, defectf(mend, "%s is not a whole number of seconds", quote(text))
	}
	return d, nil
}

func bindInt(field func(*Config) *int) binding { return bind(field, parseInt, strconv.Itoa) }

func parseInt(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || strconv.Itoa(n) != text {
		return 0, defectf("write digits only", "%s is not a whole number", quote(text))
	}
	return n, nil
}

func parseBool(text string) (bool, error) {
	if text != "true" && text != "false" {
		return false, defectf("write true or false", "%s is neither true nor false", quote(text))
	}
	return text == "true", nil
}

func showBool(b bool) string { return strconv.FormatBool(b) }

func asIs(text string) string { return text }

func parsePath(text string) (string, error) {
	if text == "" {
		return "", defectf("name a directory", "it is empty")
	}
	return text, nil
}

func parseAudience(text string) (string, error) {
	const longest = 255
	plain := func(r rune) bool { return r <= ' ' || r > '~' }
	if text == "" || len(text) > longest || strings.ContainsFunc(text, plain) {
		return "", defectf("write a URL or a name of up to 255 ASCII characters without spaces", "%s cannot be an audience", quote(text))
	}
	if strings.Contains(text, "://") && strings.Contains(text, "@") {
		return "", defectf("leave out everything before the @", "the URL contains a user or password")
	}
	return text, nil
}

func oneOf[T ~string](words ...T) func(string) (T, error) {
	return func(text string) (T, error) {
		if slices.Contains(words, T(text)) {
			return T(text), nil
		}
		names := make([]string, 0, len(words))
		for _, w := range words {
			names = append(names, string(w))
		}
		return "", defectf("write one of "+strings.Join(names, ", "), "%s is not known", quote(text))
	}
}

// oneOfNumbers is oneOf for numbers.
func oneOfNumbers(numbers ...int) func(string) (int, error) {
	words := make([]string, len(numbers))
	for i, n := range numbers {
		words[i] = strconv.Itoa(n)
	}
	parse := oneOf(words...)
	return func(text string) (int, error) {
		word, err := parse(text)
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(word)
	}
}

func showWord[T ~string](word T) string { return string(word) }

func logLevelBinding() binding {
	word := oneOf("debug", "info", "warn", "error")
	parse := func(text string) (slog.Level, error) {
		var level slog.Level
		if _, err := word(text); err != nil {
			return 0, err
		}
		return level, level.UnmarshalText([]byte(text))
	}
	show := func(level slog.Level) string { return strings.ToLower(level.String()) }
	return bind(func(c *Config) *slog.Level { return &c.LogLevel }, parse, show)
}

func proxiesBinding() binding {
	show := func(prefixes []netip.Prefix) string {
		texts := make([]string, 0, len(prefixes))
		for _, p := range prefixes {
			texts = append(texts, p.String())
		}
		return joinList(texts)
	}
	return bind(func(c *Config) *[]netip.Prefix { return &c.TrustedProxies }, parseProxies, show)
}

// splitList splits at commas; space around an entry and empty entries fall away.
func splitList(text string) []string {
	var entries []string
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			entries = append(entries, entry)
		}
	}
	return entries
}

func joinList(entries []string) string { return strings.Join(entries, ",") }
