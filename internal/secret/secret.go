// Package secret contains values that must never be printed, and the root secrets from which all other secrets are
// derived.
//
// It protects one invariant: a secret leaves the process only where the code calls Reveal. Every other way out (fmt,
// log/slog, encoding/json, text and YAML encoders) says REDACTED. Values sit behind a pointer to a string, so that even
// a struct with one in an unexported field, where fmt can't call methods, prints an address and not the value. (A
// pointer to a slice or array is not enough: fmt follows it when the verb does not fit.)
//
// It does not store, fetch or wipe anything: package config reads the secrets, and Go offers no reliable wiping.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const redactedText = "REDACTED"

// redacted gives the types that embed it every method by which Go prints a
// value, and all of them say REDACTED.
type redacted struct{}

func (redacted) String() string   { return redactedText }
func (redacted) GoString() string { return redactedText }

// Format answers every verb, %x and %d included, which String alone would not.
func (redacted) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, redactedText) // fmt.State offers nowhere to report it
}

func (redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedText + `"`), nil }
func (redacted) MarshalText() ([]byte, error) { return []byte(redactedText), nil }
func (redacted) LogValue() slog.Value         { return slog.StringValue(redactedText) }

// String is a secret text: a password, a URL that holds one. Its zero value is
// the empty secret.
type String struct {
	redacted
	value *string
}

// NewString keeps value as a secret.
func NewString(value string) String { return String{value: &value} }

// Reveal gives the text itself. Call it at the last moment and keep the result
// out of logs, errors and structs.
func (s String) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty reports whether there is nothing to hide.
func (s String) Empty() bool { return s.Reveal() == "" }

// Equal compares in constant time.
func (s String) Equal(other String) bool {
	return Equal([]byte(s.Reveal()), []byte(other.Reveal()))
}

// Equal reports whether a and b hold the same octets, in a time that depends on
// their lengths only. It is the one comparison mintmark uses for tags, hashes
// and secrets; their lengths are public.
func Equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
