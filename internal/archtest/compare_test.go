package archtest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestOctetsAreComparedBySecretEqual: if a MAC or a hash is compared in any other way, the
// time of the comparison reveals how much of a guess is right. So only these compare octets:
// internal/secret, and one function of pkg/verifier, which may import nothing of ours. Tests
// may compare what they know by bytes.Equal. Nothing here knows types: so a file that imports
// cryptography or the secrets may not compare slices or deeply at all, and what compares by ==
// (strings, arrays), by strings.Compare, or in a file without such an import, is for the
// reviewer to see.
func TestOctetsAreComparedBySecretEqual(t *testing.T) {
	t.Parallel()
	files, helpers := 0, []string{}
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		name, err := filepath.Rel("../..", path)
		if err != nil {
			return err
		}
		for _, c := range comparisons(t, filepath.ToSlash(name), string(text)) {
			switch filepath.ToSlash(filepath.Dir(name)) {
			case "internal/secret":
			case "pkg/verifier":
				helpers = append(helpers, c.function)
			default:
				t.Errorf("%s compares by %s: use secret.Equal", c.at, c.by)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if slices.Sort(helpers); len(slices.Compact(helpers)) > 1 {
		t.Errorf("pkg/verifier compares secrets in %v, want one helper", helpers)
	}
	if files < 200 {
		t.Errorf("only %d files were read: this looks in the wrong place", files)
	}
}

func TestAComparisonThatIsForbiddenIsFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, by string }{
		{"a.go", `import "crypto/hmac"; func f(a, b []byte) bool { return hmac.Equal(a, b) }`, "crypto/hmac.Equal"},
		{"a.go", `import "crypto/hmac"; var f = hmac.Equal`, "crypto/hmac.Equal"},
		{"a.go", `import m "crypto/hmac"; func f(a, b []byte) bool { return m.Equal(a, b) }`, "crypto/hmac.Equal"},
		{"a.go", `import . "crypto/hmac"; func f(a, b []byte) bool { return Equal(a, b) }`, "crypto/hmac.Equal"},
		{"a_test.go", `import "crypto/hmac"; func f(a, b []byte) bool { return hmac.Equal(a, b) }`, "crypto/hmac.Equal"},
		{"a.go", `import "crypto/subtle"; func f(a, b []byte) int { return subtle.ConstantTimeCompare(a, b) }`, "crypto/subtle.ConstantTimeCompare"},
		{"a.go", `import s "crypto/subtle"; func f(a, b uint8) int { return s.ConstantTimeByteEq(a, b) }`, "crypto/subtle.ConstantTimeByteEq"},
		{"a_test.go", `import "crypto/subtle"; func f(a, b []byte) int { return subtle.ConstantTimeCompare(a, b) }`, "crypto/subtle.ConstantTimeCompare"},
		{"a.go", `import "bytes"; func f(a, b []byte) bool { return bytes.Equal(a, b) }`, "bytes.Equal"},
		{"a.go", `import "bytes"; func f(a, b []byte) bool { return bytes.Compare(a, b) == 0 }`, "bytes.Compare"},
		{"pkg/verifier/a.go", `import "bytes"; func f(a, b []byte) bool { return bytes.Equal(a, b) }`, "bytes.Equal"},
		{"a_test.go", `import "bytes"; func f(a, b []byte) bool { return bytes.Equal(a, b) }`, ""},
		{"a.go", `import "bytes"; func f(a, b []byte) bool { return bytes.EqualFold(a, b) }`, ""},
		{"a.go", `import "crypto/hmac"; func f(key []byte) any { return hmac.New(nil, key) }`, ""},
		{"a.go", `import ("crypto/sha256"; "slices"); func f(a, b []byte) bool { return slices.Equal(a, b) }`, "slices.Equal"},
		{"a.go", `import ("crypto/hmac"; "slices"); func f(a, b []byte) bool { return slices.Compare(a, b) == 0 }`, "slices.Compare"},
		{"a.go", `import ("example.com/internal/secret"; "reflect"); func f(a, b any) bool { return reflect.DeepEqual(a, b) }`, "reflect.DeepEqual"},
		{"a_test.go", `import ("crypto/sha256"; "slices"); func f(a, b []byte) bool { return slices.Equal(a, b) }`, ""},
		{"a.go", `import ("crypto/rand"; "slices"); func f(a []byte) bool { return slices.Contains(a, 0) }`, ""},
		{"a.go", `import "slices"; func f(a, b []string) bool { return slices.Equal(a, b) }`, ""},
		{"a.go", `import "example.com/hmac"; func f(a, b []byte) bool { return hmac.Equal(a, b) }`, ""},
	} {
		found := comparisons(t, c.name, "package p; "+c.text)
		switch {
		case c.by == "" && len(found) > 0:
			t.Errorf("%s: %s: found %+v, want none", c.name, c.text, found)
		case c.by != "" && (len(found) != 1 || found[0].by != c.by):
			t.Errorf("%s: %s: found %+v, want one by %s", c.name, c.text, found, c.by)
		}
	}
	two := comparisons(t, "pkg/verifier/a.go", `package p; import "crypto/subtle"
func one(a, b []byte) int { return subtle.ConstantTimeCompare(a, b) }
func other(a, b []byte) int { return subtle.ConstantTimeCompare(a, b) }`)
	if len(two) != 2 || two[0].function == two[1].function {
		t.Errorf("two helpers are found as %+v", two)
	}
}

// comparison is a place where octets are compared.
type comparison struct {
	at       string // file:line:column
	by       string // package.Function
	function string // that it is in
}

// comparisons finds the uses, in one file, of what only the helpers may use.
func comparisons(t *testing.T, name, text string) []comparison {
	t.Helper()
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, name, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	packages := make(map[string]string) // by the name they have in the file
	secrets := false                    // it may hold a MAC or a hash
	for _, imported := range file.Imports {
		path, err := strconv.Unquote(imported.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		secrets = secrets || strings.HasPrefix(path, "crypto/") || strings.HasSuffix(path, "/internal/secret")
		switch own := filepath.Base(path); {
		case !slices.Contains([]string{"crypto/subtle", "crypto/hmac", "bytes", "slices", "reflect"}, path):
		case imported.Name != nil:
			packages[imported.Name.Name] = path
		default:
			packages[own] = path
		}
	}
	var found []comparison
	for _, declaration := range file.Decls {
		ast.Inspect(declaration, func(n ast.Node) bool {
			path, used := packages["."], ""
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if of, ok := n.X.(*ast.Ident); ok {
					path, used = packages[of.Name], n.Sel.Name
				}
			case *ast.Ident:
				used = n.Name
			}
			if compares(path, used, strings.HasSuffix(name, "_test.go"), secrets) {
				found = append(found, comparison{positions.Position(n.Pos()).String(), path + "." + used, name + " " + nameOfDeclaration(declaration)})
			}
			return true
		})
	}
	return found
}

// compares reports whether that function compares octets, or may in a file with secrets.
func compares(path, function string, inTest, secrets bool) bool {
	switch path {
	case "crypto/subtle":
		return strings.HasPrefix(function, "ConstantTime")
	case "crypto/hmac":
		return function == "Equal"
	case "bytes":
		return !inTest && (function == "Equal" || function == "Compare")
	case "slices":
		return !inTest && secrets && (function == "Equal" || function == "Compare")
	case "reflect":
		return !inTest && secrets && function == "DeepEqual"
	}
	return false
}

func nameOfDeclaration(d ast.Decl) string {
	if f, ok := d.(*ast.FuncDecl); ok {
		return f.Name.Name
	}
	return "outside of functions"
}
