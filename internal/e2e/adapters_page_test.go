package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheGoBlocksOfTheAdaptersPageAreCompiled wants each block of the page to be part of an example, line by line.
func TestTheGoBlocksOfTheAdaptersPageAreCompiled(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/verify/go-adapters.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../pkg/verifier/*/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var examples strings.Builder
	for _, file := range append(files, "../../pkg/tokensource/example_test.go") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		examples.WriteString(unindented(string(text)))
	}
	blocks := strings.Split(string(page), "```go\n")[1:]
	if len(blocks) < 6 {
		t.Fatalf("the page has %d blocks", len(blocks))
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(examples.String(), unindented(block)) {
			t.Errorf("no example holds this:\n%s", block)
		}
	}
}

// unindented is text without what stands before its lines.
func unindented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimLeft(line, "\t"))
	}
	return b.String()
}
