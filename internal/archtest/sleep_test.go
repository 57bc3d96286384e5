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
			t.Errorf("%s: a sleep outside of a synctest bubble: wait for what should happen", at)
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
func TestE(t *testing.T) { <-time.After(6) }
func TestF(t *testing.T) { synctest.Test(t, func(t *testing.T) { <-time.After(7) }) }
func TestG(t *testing.T) { select { case <-time.After(8): case <-done: } }
func TestH(t *testing.T) { select { case <-done: <-time.After(9) } }
`, "b_test.go": `package p
func bubble(t *testing.T, test func(t *testing.T)) { synctest.Test(t, test) }
`})
	var lines []string
	for _, at := range awake {
		lines = append(lines, strings.Split(at, ":")[1])
	}
	if want := []string{"5", "6", "7", "10"}; all != 8 || !slices.Equal(lines, want) {
		t.Errorf("%d sleeps, of which those of the lines %v are in no bubble; want 8, and those of %v", all, lines, want)
	}
}

// sleepers finds, in the test files of one package, the sleeps that are in no bubble:
// neither in what is given to synctest.Test, or to a helper that passes it on, nor in a
// function that calls synctest.Wait, which panics outside of one. A receive from time.After is
// a sleep, too, unless it is one case of a select among others.
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
		for _, sleep := range append(calls(f.Body, "time.Sleep"), receives(f.Body)...) {
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

// receives are the receives from time.After that wait for nothing else.
func receives(body ast.Node) []ast.Node {
	var found []ast.Node
	among := map[ast.Node]bool{} // the cases of a select
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectStmt:
			for _, clause := range n.Body.List {
				if one, ok := clause.(*ast.CommClause).Comm.(*ast.ExprStmt); ok && len(n.Body.List) > 1 {
					among[one.X] = true
				}
			}
		case *ast.UnaryExpr:
			if call, ok := n.X.(*ast.CallExpr); ok && n.Op == token.ARROW && nameOf(call.Fun) == "time.After" && !among[n] {
				found = append(found, n)
			}
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
