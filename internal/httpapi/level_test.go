package httpapi

import (
	"log/slog"
	"strings"
	"testing"
)

// TestWhatMachinesReadAllDayIsLoggedAtDebugLevel, as long as they get it.
func TestWhatMachinesReadAllDayIsLoggedAtDebugLevel(t *testing.T) {
	t.Parallel()
	s := failingServer(t, nil)
	for _, one := range append(s.publicSurfaces(), s.operationsSurfaces()...) {
		for _, r := range one.routes {
			quiet := r.method == "GET" && !strings.HasPrefix(r.path, firstPartyPrefix)
			for status, want := range map[int]bool{200: quiet, 304: quiet, 404: false, 503: false} {
				if got := levelOf(r.path, status) == slog.LevelDebug; got != want {
					t.Errorf("%s %s answered with %d: at debug level %v, want %v", r.method, r.path, status, got, want)
				}
			}
		}
	}
	if levelOf("none", 404) != slog.LevelInfo {
		t.Error("a path that does not exist is not told")
	}
}
