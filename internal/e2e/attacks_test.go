package e2e_test

import (
	_ "embed"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// attackList has the attacks that are known for authorities like this one: a row for each, its id and its area first.
//
//go:embed testdata/attacks.tsv
var attackList string

// attacksHeld says of those that are no row of attackTable, and that no test of pkg/verifier names, which tests hold them.
// An attack on something that is not there yet is "to come", or a whole area is; what mintmark never does is "not here".
//
//go:embed testdata/attacks-held.tsv
var attacksHeld string

// attack is one row of the list: what is sent, and what must come of it.
type attack struct {
	id   string
	what string
	// run sends the requests. The authority is shared by all rows, has no limits, and must be
	// left as it was, except for users and sessions of the row's own.
	run func(t *testing.T, a *authority)
}

// attackTable is the table: id → requests sent → answer asserted.
func attackTable() []attack {
	return slices.Concat(userAttacks(), nameAttacks(), refreshAttacks(), jsonAttacks(), httpAttacks(), secretAttacks(), injectionAttacks())
}

func TestAttacks(t *testing.T) {
	t.Parallel()
	shared := startEmbedded(t)
	for _, row := range attackTable() {
		t.Run(row.id+" "+row.what, func(t *testing.T) {
			t.Parallel()
			row.run(t, shared)
		})
	}
	t.Cleanup(func() { wantNoSecret(t, "the log", shared.Log.String()) })
}

func TestEveryAttackIsHeldByATestOrIsToCome(t *testing.T) {
	t.Parallel()
	elsewhere := heldElsewhere(t)
	tested := attacksOfVerifiers(t)
	for _, row := range attackTable() {
		tested[row.id] = true
	}
	areas := make(map[string]bool)
	for line := range strings.Lines(attackList) {
		fields := strings.Split(line, "\t")
		id, area := fields[0], fields[1]
		if id == "id" {
			continue
		}
		_, named := elsewhere[id]
		_, areaNamed := elsewhere[area]
		switch {
		case tested[id] && (named || areaNamed):
			t.Errorf("%s has a test of its own and is in attacks-held.tsv", id)
		case !tested[id] && !named && !areaNamed:
			t.Errorf("%s is held by no test: give it a row in attackTable or in attacks-held.tsv", id)
		}
		areas[id], areas[area] = true, true
	}
	for id := range elsewhere {
		if !areas[id] {
			t.Errorf("attacks-held.tsv has %s, which the list does not have", id)
		}
	}
	if len(areas) < 220 {
		t.Errorf("only %d attacks and areas were found", len(areas))
	}
}

// heldElsewhere reads attacks-held.tsv, and asserts that the tests that it names exist.
func heldElsewhere(t *testing.T) map[string]string {
	t.Helper()
	held := make(map[string]string)
	proof := regexp.MustCompile(`^([a-z0-9/]+)\.(Test\w+)$`)
	for line := range strings.Lines(attacksHeld) {
		id, by, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if _, twice := held[id]; twice {
			t.Errorf("attacks-held.tsv has %s twice", id)
		}
		held[id] = by
		if strings.HasPrefix(by, "to come: ") || strings.HasPrefix(by, "not here: ") {
			continue
		}
		for _, name := range strings.Fields(by) {
			test := proof.FindStringSubmatch(name)
			if test == nil || !strings.Contains(testsIn(t, test[1]), "\nfunc "+test[2]+"(t *testing.T)") {
				t.Errorf("%s: there is no test %s", id, name)
			}
		}
	}
	return held
}

// attacksOfVerifiers are those that a test of pkg/verifier names, such as JWS-01/02/05.
func attacksOfVerifiers(t *testing.T) map[string]bool {
	t.Helper()
	named := make(map[string]bool)
	for _, match := range regexp.MustCompile(`\b(CLM|DPO|INJ|JSN|JWK|JWS|REV)((?:[-/][0-9]{2})+)\b`).FindAllStringSubmatch(testsIn(t, "pkg/verifier"), -1) {
		for number := range strings.SplitSeq(match[2][1:], "/") {
			named[match[1]+"-"+number] = true
		}
	}
	return named
}

// testsIn is the source of the tests of a package.
func testsIn(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(folder), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(source)
	}
	return all.String()
}

// wantNoSecret looks for what only tokens and passwords of the tests look like.
func wantNoSecret(t testing.TB, where, text string) {
	t.Helper()
	for _, mark := range []string{"mrt_", "eyJ", testPassword} {
		if at := strings.Index(text, mark); at >= 0 {
			t.Errorf("%s holds a secret: …%.200s", where, text[max(0, at-80):])
		}
	}
}
