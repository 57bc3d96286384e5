package telemetry

import (
	"io"
	"log/slog"
)

// NewLog returns the log: JSON, or text for people. Both escape control
// characters, so nothing that a caller sends can forge a line.
func NewLog(w io.Writer, level slog.Level, asJSON bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if asJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
