package verifier

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestCredentialsAreNotPrinted(t *testing.T) {
	t.Parallel()
	c := credentials{"orders", "CANARY"}
	text, err := json.Marshal(map[string]any{"c": c, "p": &c})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("", "c", c, "p", &c)
	for _, printed := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v", c, c), fmt.Sprintf("%#v", &c), string(text), log.String()} {
		if strings.Contains(printed, "CANARY") || !strings.Contains(printed, "REDACTED") {
			t.Errorf("printed %s", printed)
		}
	}
}
