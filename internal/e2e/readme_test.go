package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestTheShellBlocksOfTheReadmeWorkAsPrinted runs the blocks marked sh of the front
// page against an authority started as the page says, but on a free port. The
// indented lines are starts (serve, demo, tests) that have tests of their own.
func TestTheShellBlocksOfTheReadmeWorkAsPrinted(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := shellBlocks(string(page))
	if blocks == "" || !strings.Contains(string(page), "\n    go run -tags nomsgpack ./cmd/mintmark serve\n") {
		t.Fatal("the page has no shell lines, or does not say how to start")
	}
	a := spawn(t, "MINTMARK_DATA_DIR="+filepath.Join(t.TempDir(), "data"))
	script := filepath.Join(t.TempDir(), "readme.txtar")
	text := "exec sh -eu readme.sh\n" +
		"stdout 'User created successfully.'\n" +
		"stdout 'User logged in successfully.'\n" +
		"stdout 'Token refreshed successfully.'\n" +
		"-- readme.sh --\n" + strings.ReplaceAll(blocks, "localhost:8080", strings.TrimPrefix(a.URL, "http://"))
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Files: []string{script}})
}

// shellBlocks joins the fenced blocks marked sh.
func shellBlocks(page string) string {
	var lines []string
	inside := false
	for line := range strings.Lines(page) {
		switch {
		case strings.TrimSpace(line) == "```sh":
			inside = true
		case strings.HasPrefix(line, "```"):
			inside = false
		case inside:
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
