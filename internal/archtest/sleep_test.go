package archtest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTestsSleepInVirtualTimeOnly: in a bubble of testing/synctest a sleep turns the
// clock and waits for nothing; outside it would only hope that something has happened.
func TestTestsSleepInVirtualTimeOnly(t *testing.T) {
	t.Parallel()
	sleeps := 0
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !entry.IsDir():
			return nil
		case entry.Name() == "node_modules" || entry.Name() == ".git":
			return filepath.SkipDir
		}
		names, err := filepath.Glob(filepath.Join(path, "*_test.go"))
		if err != nil {
			return err
		}
		texts := make(map[string]string, len(names))
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			texts[name] = string(text)
		}
		awake, all := sleepers(t, texts)
		sleeps += all
		for _, at := range awake {
			t.Errorf("%s: time.Sleep outside of a synctest bubble: wait for what should happen", at)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if sleeps == 0 {
		t.Error("no test sleeps at all: this one looks in the wrong place")
	}
}

func TestASleepOutsideOfABubbleIsFound(t *testing.T) {
	t.Parallel()
	awake, all := sleepers(t, map[string]string{"a_test.go": `package p
func TestA(t *testing.T) { synctest.Test(t, func(t *testing.T) { time.Sleep(1) }) }
func TestB(t *testing.T) { bubble(t, func(t *testing.T) { time.Sleep(2) }) }
func tell()              { time.Sleep(3); synctest.Wait() }
func TestC(t *testing.T) { time.Sleep(4); synctest.Test(t, nil) }
func TestD(t *testing.T) { other(func() { time.Sleep(5) }) }
`, "b_test.go": `package p
func bubble(t *testing.T, test func(t *testing.T)) { synctest.Test(t, test) }
`})
	if all != 5 || len(awake) != 2 || !strings.HasPrefix(awake[0], "a_test.go:5:") || !strings.HasPrefix(awake[1], "a_test.go:6:") {
		t.Errorf("%d sleeps, of which %v are in no bubble; want 5, and those of lines 5 and 6", all, awake)
	}
}

// sleepers finds, in the test files of one package, the sleeps that are in no bubble:
// neither in what is given to synctest.Test, or to a helper that passes it on, nor in a
// function that calls synctest.Wait, which panics outside of one.
func sleepers(t *testing.T, texts map[string]string) (awake []string, all int) {
	t.Helper()
	positions := token.NewFileSet()
	var functions []*ast.FuncDecl
	for _, path := range slices.Sorted(maps.Keys(texts)) {
		file, err := parser.ParseFile(positions, path, texts[path], parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				functions = append(functions, f)
			}
		}
	}
	bubbles := []string{"synctest.Test"}
	for _, f := range functions {
		if !strings.HasPrefix(f.Name.Name, "Test") && len(calls(f.Body, "synctest.Test")) > 0 {
			bubbles = append(bubbles, f.Name.Name)
		}
	}
	for _, f := range functions {
		asleep := calls(f.Body, bubbles...)
		if len(asleep) == 0 && len(calls(f.Body, "synctest.Wait")) > 0 {
			asleep = []ast.Node{f}
		}
		for _, sleep := range calls(f.Body, "time.Sleep") {
			all++
			if !slices.ContainsFunc(asleep, func(outer ast.Node) bool { return outer.Pos() <= sleep.Pos() && sleep.End() <= outer.End() }) {
				awake = append(awake, positions.Position(sleep.Pos()).String())
			}
		}
	}
	return awake, all
}

// calls are the calls in a body of any of these functions.
func calls(body ast.Node, names ...string) []ast.Node {
	var found []ast.Node
	ast.Inspect(body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && slices.Contains(names, nameOf(call.Fun)) {
			found = append(found, call)
		}
		return true
	})
	return found
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if of, ok := e.X.(*ast.Ident); ok {
			return of.Name + "." + e.Sel.Name
		}
	}
	return ""
}
