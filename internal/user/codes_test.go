package user_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/user"
)

// TestEveryBrokenRuleHasACodeOfItsOwn reads the problems from the source, so that none is forgotten.
func TestEveryBrokenRuleHasACodeOfItsOwn(t *testing.T) {
	t.Parallel()
	named := make(map[string]user.Problem)
	for _, p := range append(declaredProblems(t), tooShort) {
		code := p.Code()
		if !regexp.MustCompile(`^(username|email|password|registration)_[a-z_]+$`).MatchString(code) {
			t.Errorf("%q has the code %q", p, code)
		}
		if other, ok := named[code]; ok {
			t.Errorf("%q and %q have the code %q", p, other, code)
		}
		named[code] = p
	}
	if _, problems := user.NewRules(20).Check("bob", "bob@example.com", "k7#wQp2!mZxw9"); len(problems) != 1 || problems[0].Code() != tooShort.Code() {
		t.Errorf("%q: a password is too short, whatever the length", problems)
	}
}

// declaredProblems are the constants of the type Problem.
func declaredProblems(t *testing.T) []user.Problem {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var found []user.Problem
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if kind, named := typeOf(spec, ok).(*ast.Ident); !named || kind.Name != "Problem" || len(spec.Values) != 1 {
				return true
			}
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, user.Problem(text))
			return true
		})
	}
	if len(found) < 15 {
		t.Fatalf("%d problems are declared, want 15 or more", len(found))
	}
	return found
}

func typeOf(spec *ast.ValueSpec, ok bool) ast.Expr {
	if !ok {
		return nil
	}
	return spec.Type
}
