package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"unicode"

	"github.com/mintmark-auth/mintmark/internal/telemetry"
)

// TestNothingThatACallerSendsForgesALine of the log, in either form.
func TestNothingThatACallerSendsForgesALine(t *testing.T) {
	t.Parallel()
	const forged = "x\n{\"level\":\"INFO\"}\r\x1b[31mlevel=ERROR\u2028\u009b2J\u202e\u2066\x7f"
	for form, asJSON := range map[string]bool{"text": false, "JSON": true} {
		var out bytes.Buffer
		telemetry.NewLog(&out, slog.LevelInfo, asJSON).Info(forged, "from", forged, forged, forged, "err", errors.New(forged))
		line, rest, _ := strings.Cut(out.String(), "\n")
		if rest != "" || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: %q", form, out.String())
		}
		var said map[string]string
		if err := json.Unmarshal([]byte(line), &said); (err == nil) != asJSON || asJSON && said["from"] != forged {
			t.Errorf("%s: %v, %v", form, said, err)
		}
	}
}

func TestTheLogBeginsAtItsLevel(t *testing.T) {
	t.Parallel()
	for _, asJSON := range []bool{false, true} {
		var out bytes.Buffer
		log := telemetry.NewLog(&out, slog.LevelWarn, asJSON)
		log.Info("quiet")
		log.Warn("loud")
		if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "loud") {
			t.Errorf("JSON %v: %q", asJSON, got)
		}
	}
}
