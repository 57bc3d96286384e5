package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// planted returns the mistakes of a file as kind and what is put there.
func planted(t *testing.T, name, text string) map[kind][]string {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, name, text)
	found, err := plantFile(name)
	if err != nil {
		t.Fatal(err)
	}
	byKind := make(map[kind][]string)
	for _, m := range found {
		byKind[m.kind] = append(byKind[m.kind], m.now)
	}
	return byKind
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEveryKindOfMistakeIsPlantedInGo(t *testing.T) {
	found := planted(t, "a.go", `package p
import ("context"; "net/http"; "time")
type state struct { at, until time.Time; n int }
func f(ctx context.Context, w http.ResponseWriter, s *state, now time.Time, user, name string) (int, error) {
	w.Header().Set("Cache-Control", "no-store")
	if err := g(context.WithoutCancel(ctx), user, name); err != nil { return 0, err }
	if s.n > 3 && now.Before(s.until) { return 0, nil }
	s.n++
	s.at = now
	log.Info("nobody reads this", user, name)
	*s = state{at: now, n: max(1, s.n)}
	h(s); if s.n == 7 { return 7, nil }
	_ = time.Now()
	switch s.n { case 1, 2: return 1, nil }
	return 2, nil
}
`)
	want := map[kind][]string{
		dropHeader:    {`if false { w.Header().Set("Cache-Control", "no-store") }`},
		dropCheck:     {"false && (err != nil)", "false && (s.n > 3 && now.Before(s.until))", "false && (s.n == 7)"},
		dropCall:      {"if false { h(s) }", "ctx"},
		dropEffect:    {"if false { s.n++ }", "if false { s.at = now }", "if false { *s = state{at: now, n: max(1, s.n)} }"},
		dropField:     {"", ""},
		dropTerm:      {"(s.n > 3)", "(now.Before(s.until))", ""},
		swapArguments: {`name, user`, "s.n, 1"},
		offByOne:      {"s.n >= 3", "(!now.After(s.until))", "min"},
		negated:       {"s.n != 7"},
		wrongClock:    {"time.Now()", "time.Now()", "time.Now().Add(time.Hour)"},
		falseSuccess:  {"nil"},
	}
	for k, texts := range want {
		for _, text := range texts {
			if !slices.Contains(found[k], text) {
				t.Errorf("%s: %q is not among %q", k, text, found[k])
			}
		}
	}
	if len(found[swapSteps]) == 0 {
		t.Error("no two steps are swapped")
	}
	for k, texts := range found {
		for _, text := range texts {
			if strings.Contains(text, "nobody reads this") && k != swapSteps {
				t.Errorf("%s: a line of the log is planted in: %s", k, text)
			}
		}
	}
}

func TestEveryKindOfMistakeIsPlantedInSQL(t *testing.T) {
	found := planted(t, "q.go", "package p\nconst q = `UPDATE sessions SET checkpoint = greatest(checkpoint, $2), revoked_at = now()\n"+
		"	WHERE id = $1 AND revoked_at IS NULL AND at <= $3 ORDER BY at DESC FOR UPDATE`\n"+
		"const script = `\nif stored == ARGV[1] or stored == ARGV[2] then\n  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])\n  won = 1\nend`\n")
	want := map[kind][]string{
		sqlTerm:   {"(id = $1 OR 1 = 1)", "(revoked_at IS NULL OR 1 = 1)", "(at <= $3 OR 1 = 1)"},
		sqlBound:  {"<"},
		sqlSet:    {"CASE WHEN 1 = 1 THEN checkpoint ELSE greatest(checkpoint, $2) END", "CASE WHEN 1 = 1 THEN revoked_at ELSE now() END"},
		sqlClause: {"checkpoint", "$2", ""},
		luaEffect: {"", "", "", ""},
	}
	for k, texts := range want {
		for _, text := range texts {
			if !slices.Contains(found[k], text) {
				t.Errorf("%s: %q is not among %q", k, text, found[k])
			}
		}
	}
	if n := len(found[luaEffect]); n != 4 {
		t.Errorf("%d effects of the script are dropped, want its write, its lifetime, its condition and its answer", n)
	}
}

func TestAMigrationLosesOneStatementOrConstraintAtATime(t *testing.T) {
	found := planted(t, "db/1.up.sql", `-- CREATE INDEX of a comment;
CREATE TABLE a (id uuid PRIMARY KEY, n int NOT NULL CHECK (n > (0)), b uuid REFERENCES b (id) ON DELETE CASCADE);
CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN; RETURN NEW; END; $$ LANGUAGE plpgsql;
CREATE TRIGGER t BEFORE UPDATE ON a
BEGIN
  SELECT 1;
END;
CREATE UNIQUE INDEX u ON a (n);
`)
	if n := len(found[sqlStatement]); n != 4 {
		t.Errorf("%d statements are dropped, want 4", n)
	}
	if n := len(found[sqlConstraint]); n != 5 {
		t.Errorf("%d constraints are dropped, want PRIMARY KEY, NOT NULL, CHECK, REFERENCES and UNIQUE", n)
	}
	if !slices.Contains(found[sqlConstraint], "CHECK (1 = 1)") {
		t.Errorf("the CHECK is not among %q", found[sqlConstraint])
	}
}

func TestTheSameSeedDrawsTheSameSampleAndEveryKindTakesATurn(t *testing.T) {
	all := []mistake{{kind: dropCall, line: 1}, {kind: dropCall, line: 2}, {kind: dropCall, line: 3}, {kind: negated, line: 4}}
	once, again := pick(all, seeded(5, "p")), pick(all, seeded(5, "p"))
	for i := range once {
		if once[i].line != again[i].line {
			t.Fatalf("two samples of one seed differ: %v, %v", once, again)
		}
	}
	if once[0].kind != negated && once[1].kind != negated {
		t.Errorf("the rare kind waits until the end: %v", once)
	}
}

func TestAMistakeWithoutAReasonIsNotExcused(t *testing.T) {
	for _, reason := range []string{"", " ", noReason} {
		if _, err := readUnchanged("a.go\tf\tnegated\t==\t!=\t" + reason); err == nil {
			t.Errorf("the reason %q is accepted", reason)
		}
	}
	u, err := readUnchanged("# comment\n\na.go\tf\tnegated\t==\t!=\tboth answer alike")
	if err != nil {
		t.Fatal(err)
	}
	same := mistake{file: "a.go", in: "f", kind: negated, was: "==", now: "!=", line: 9}
	other := same
	other.in = "g"
	counted, excused := u.split([]mistake{same, other})
	if len(counted) != 1 || counted[0].in != "g" || len(excused) != 1 {
		t.Errorf("counted %v, excused %v; want the one in g counted", counted, excused)
	}
}

func TestEveryExcusedMistakeCanStillBePlanted(t *testing.T) {
	excused, err := readUnchanged(unchangedText)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("../..")
	for _, target := range targets() {
		all, err := plantAll(target.dirs)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			delete(excused, m.identity())
		}
	}
	for id := range excused {
		t.Errorf("unchanged.tsv excuses what no longer is: %s %s: %s: %s → %s", id.file, id.in, id.kind, id.was, id.now)
	}
}

// TestWhatNoTestNoticesSurvives runs the whole command on a module with one function
// that is tested and one that is not.
func TestWhatNoTestNoticesSurvives(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "go.mod", "module example.test/toy\n\ngo 1.26\n")
	write(t, "toy/toy.go", "package toy\n\nfunc Held(n int) bool { return n < 3 }\n\nfunc Loose(n int) bool { return n < 4 }\n")
	write(t, "toy/toy_test.go", "package toy\n\nimport \"testing\"\n\nfunc TestHeld(t *testing.T) {\n\tif Held(3) || !Held(2) {\n\t\tt.Error(\"bound\")\n\t}\n}\n")
	var said bytes.Buffer
	b, err := newBench(&said)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	all, err := plantAll([]string{"toy"})
	if err != nil {
		t.Fatal(err)
	}
	toy := target{name: "toy", dirs: []string{"toy"}, own: []string{"toy"}, outer: []string{"toy"}, goal: 90}
	results, err := b.try(t.Context(), []sample{{target: toy, mistakes: all}}, 15)
	if err != nil {
		t.Fatal(err)
	}
	if n, of := results[0].score(); n != 1 || of != 2 {
		t.Errorf("%d of %d are caught, want 1 of 2:\n%s", n, of, said.String())
	}
	if report(&said, results, 2) {
		t.Error("half of the mistakes are caught, and that is said to be good enough")
	}
	if text := said.String(); !strings.Contains(text, "below the goal") || !strings.Contains(text, `in "Loose"`) {
		t.Errorf("the report names neither the goal nor the survivor:\n%s", text)
	}
}

func TestASampleThatIsNotWholeIsNotGoodEnough(t *testing.T) {
	four := []mistake{{line: 1}, {line: 2}, {line: 3}, {line: 4}}
	sampled := sample{target: target{name: "toy", goal: 50}, mistakes: four}
	tried := func(outcomes ...outcome) []result {
		r := result{sample: sampled}
		for i, o := range outcomes {
			r.tried = append(r.tried, trial{mistake: four[i], outcome: o})
		}
		return []result{r}
	}
	for name, c := range map[string]struct {
		results []result
		want    bool
	}{
		"whole":                       {tried(caught, caught, survived), true},
		"cut":                         {tried(caught, caught), false},
		"cut within":                  {tried(caught, caught, untried), false},
		"no more that compile":        {tried(caught, caught, stillborn, stillborn), true},
		"hung is not caught":          {tried(caught, hung, hung), false},
		"half is enough where it is":  {tried(caught, survived, stillborn, caught), true},
		"a survivor too many is told": {tried(caught, survived, survived), false},
	} {
		if got := report(&bytes.Buffer{}, c.results, 3); got != c.want {
			t.Errorf("%s: good = %t, want %t", name, got, c.want)
		}
	}
}

func TestEqualMistakesInDifferentPlacesAreDistinguished(t *testing.T) {
	found := numbered([]mistake{{was: "err", now: "nil"}, {was: "err", now: "nil"}, {was: "err", now: "nil"}})
	if found[0].was != "err" || found[1].was != "err (2)" || found[2].was != "err (3)" {
		t.Errorf("they are %v", found)
	}
}

func TestTestsThatFailAnywayMeasureNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "go.mod", "module example.test/toy\n\ngo 1.26\n")
	write(t, "toy/toy.go", "package toy\n")
	write(t, "toy/toy_test.go", "package toy\n\nimport \"testing\"\n\nfunc TestRed(t *testing.T) { t.Error(\"always\") }\n")
	b, err := newBench(&bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	if _, err := b.try(t.Context(), []sample{{target: target{name: "toy", own: []string{"toy"}}}}, 15); err == nil {
		t.Error("tests that fail without any mistake are taken for tests that notice")
	}
}

func TestTheCommandLineSaysWhatItCantDo(t *testing.T) {
	for _, args := range [][]string{{"nothing"}, {"-sample", "0"}, {"-budget", "-1s"}, {"-unknown"}} {
		if _, err := run(t.Context(), args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
	for _, name := range []string{"internal/session", "./pkg/verifier", "store"} {
		if chosen, err := choose([]string{name}); err != nil || len(chosen) == 0 {
			t.Errorf("%q chooses %d packages: %v", name, len(chosen), err)
		}
	}
}
