package api_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryClauseNamesTestsThatExist keeps CONFORMANCE.md honest: no row without
// a proof, and no proof that is not there.
func TestEveryClauseNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("CONFORMANCE.md")
	if err != nil {
		t.Fatal(err)
	}
	proof := regexp.MustCompile("`([a-z0-9/]+)\\.(Test\\w+)`")
	tests := make(map[string]string) // package → the source of its tests
	clauses := 0
	for line := range strings.Lines(string(page)) {
		named := proof.FindAllStringSubmatch(line, -1)
		if isClause(line) {
			clauses++
			if len(named) == 0 {
				t.Errorf("no test proves this: %s", line)
			}
		}
		for _, name := range named {
			in, test := name[1], name[2]
			if _, read := tests[in]; !read {
				tests[in] = testSource(t, in)
			}
			if !strings.Contains(tests[in], "\nfunc "+test+"(t *testing.T)") {
				t.Errorf("%s has no test %s", in, test)
			}
		}
	}
	if clauses < 60 {
		t.Errorf("only %d clauses were found", clauses)
	}
}

// TestEveryRFCOfThisSurfaceHasItsClauses: the documents that this surface follows.
func TestEveryRFCOfThisSurfaceHasItsClauses(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("CONFORMANCE.md")
	if err != nil {
		t.Fatal(err)
	}
	var headings []string
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "## RFC") {
			headings = append(headings, line)
		}
	}
	all := strings.Join(headings, "")
	for _, rfc := range []string{"6749", "6750", "7009", "7515", "7517", "7518", "7519", "7638", "8414", "8725", "9068", "9110", "9700"} {
		if !strings.Contains(all, rfc) {
			t.Errorf("no heading for RFC %s", rfc)
		}
	}
}

// isClause distinguishes a row of a table from its head.
func isClause(line string) bool {
	return strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| § |")
}

func testSource(t *testing.T, in string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(in), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString("\n")
		all.Write(source)
	}
	return all.String()
}
