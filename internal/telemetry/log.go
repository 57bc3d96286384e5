package telemetry

import (
	"io"
	"log/slog"

	"github.com/mintmark-auth/mintmark/internal/text"
)

// NewLog returns the log: JSON, or text for people. Nothing that a caller sends can forge a line, or reaches a terminal
// as a command: what can't be seen is escaped.
func NewLog(w io.Writer, level slog.Level, asJSON bool) *slog.Logger {
	w = text.NewVisibleWriter(w) // slog's JSON leaves some controls as they are
	options := &slog.HandlerOptions{Level: level}
	if asJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
