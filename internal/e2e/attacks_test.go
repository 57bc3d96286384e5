package e2e_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// attackList is the list of attacks that are known for authorities like this one.
// It stands beside the checkout where the project is built.
const attackList = "../../../shared/attacks.tsv"

// coreAttacks are the ids of that list, in the areas of the table, which concern
// every authority: kept here so that the table is held against them everywhere.
func coreAttacks() []string {
	return strings.Fields(`
		HTP-01 HTP-02 HTP-03 HTP-04 HTP-06 HTP-07 HTP-10 HTP-11 HTP-12 HTP-13
		JSN-01 JSN-04 JSN-05 JSN-06
		REF-01 REF-02 REF-03 REF-04 REF-06 REF-07 REF-08 REF-09 REF-11 REF-12 REF-13 REF-14 REF-15
		SEC-01 SEC-02 SEC-03 SEC-05 SEC-06
		USR-01 USR-02 USR-04 USR-05 USR-06 USR-07 USR-08 USR-09 USR-11 USR-12 USR-13 USR-14 USR-15 USR-18 USR-19`)
}

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
	return slices.Concat(userAttacks(), refreshAttacks(), jsonAttacks(), httpAttacks(), secretAttacks())
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

func TestEveryCoreAttackHasARequest(t *testing.T) {
	t.Parallel()
	var sent []string
	for _, row := range attackTable() {
		sent = append(sent, row.id)
	}
	for _, id := range coreAttacks() {
		if !slices.Contains(sent, id) {
			t.Errorf("%s has no request in the table", id)
		}
	}
}

func TestCoreAttacksAreThoseOfTheList(t *testing.T) {
	t.Parallel()
	f, err := os.Open(attackList)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = os.Open(os.DevNull) // the list is not part of the project: the ids above stand for it
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	listed := readCore(t, f)
	if len(listed) > 0 {
		if diff := cmp.Diff(listed, coreAttacks()); diff != "" {
			t.Errorf("the list has other core ids (-list +here):\n%s", diff)
		}
	}
}

// readCore reads the core ids of the table's areas, sorted. The list has a row a
// line and its fields between tabs: id, area, …, split, applies.
func readCore(t *testing.T, r io.Reader) []string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read the list of attacks: %v", err)
	}
	var ids []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if fields[len(fields)-1] == "core" && slices.Contains([]string{"USR", "REF", "JSN", "HTP", "SEC"}, fields[1]) {
			ids = append(ids, fields[0])
		}
	}
	slices.Sort(ids)
	return ids
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
