// Package duration formats durations in the form of the configuration.
package duration

import (
	"strings"
	"time"
)

// Spell writes 720h where Go writes 720h0m0s. time.ParseDuration reads it back.
func Spell(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
