package cli_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTheTorturePageShowsTheRealOutput runs the command that the page shows, against a service as naive as the page says.
func TestTheTorturePageShowsTheRealOutput(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/verify/torture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "```console\n$ mintmark ")
	block, _, ok := strings.Cut(block, "```")
	command, want, _ := strings.Cut(block, "\n")
	if !ok {
		t.Fatal("the page shows no run")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	const shown = "http://127.0.0.1:8090"
	command = strings.NewReplacer(shown, server.URL, "127.0.0.1:9400", "127.0.0.1:0").Replace(command)
	got := run(t, "", strings.Fields(command)...)
	if diff := cmp.Diff(want, strings.ReplaceAll(got.stdout, server.URL, shown)); diff != "" || got.code != 1 {
		t.Errorf("exit code %d; the page (-) and what is printed (+):\n%s%s", got.code, diff, got.stderr)
	}
}

// Every case and flag that the page names is one.
func TestTheTorturePageNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/verify/torture.md")
	if err != nil {
		t.Fatal(err)
	}
	help, list := run(t, "", "torture", "--help").stdout, run(t, "", "torture", "--list").stdout
	for _, flag := range regexp.MustCompile("--[a-z][a-z-]+").FindAllString(string(page), -1) {
		if !strings.Contains(help, flag) {
			t.Errorf("there is no flag %s", flag)
		}
	}
	_, meanings, _ := strings.Cut(string(page), "## What failures mean")
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(meanings, -1) {
		for _, name := range regexp.MustCompile("`([a-z0-9-]+)").FindAllStringSubmatch(row[1], -1) {
			if name[1] != "crashed" && !strings.Contains("\n"+list, "\n"+name[1]) {
				t.Errorf("there is no case %s", name[1])
			}
		}
	}
}
