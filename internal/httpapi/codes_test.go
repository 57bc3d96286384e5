package httpapi

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/api"
)

// TestEveryRefusalHasACodeAndNoSuccessHasOne reads the messages from their source, so that none is forgotten.
func TestEveryRefusalHasACodeAndNoSuccessHasOne(t *testing.T) {
	t.Parallel()
	succeeds := []string{
		LoginSuccess, UserCreatedSuccessfully, AccessTokenSuccess, RefreshTokenSuccess,
		logoutSuccess, sessionsListed, sessionEnded, othersEnded,
	}
	messages := declaredMessages(t)
	for _, message := range messages {
		if code := codeOf(message); (code == "") != slices.Contains(succeeds, message) {
			t.Errorf("%q has the code %q", message, code)
		}
	}
	for _, known := range knownAnswers() {
		if message := known.answer.message; message != "" && codeOf(message) == "" {
			t.Errorf("%v is answered with %q, which has no code", known.err, message)
		}
	}
	if len(messages) < 20 {
		t.Errorf("%d messages were found", len(messages))
	}
}

// TestTheDescriptionListsEveryCode holds the enumerations of openapi.yaml against the sources.
func TestTheDescriptionListsEveryCode(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	for schema, source := range map[string]string{"RefusalCode": "messages.go", "RuleCode": "../user/codes.go"} {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for _, found := range regexp.MustCompile(`return "(\w+)"`).FindAllStringSubmatch(string(text), -1) {
			// A closed registration has a schema of its own; unknown is what no rule has.
			if code := found[1]; code != "registration_closed" && code != "unknown" {
				want = append(want, code)
			}
		}
		for _, one := range doc.Components.Schemas[schema].Value.Enum {
			got = append(got, one.(string))
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" || len(want) < 10 {
			t.Errorf("%s: %s (-) and openapi.yaml (+):\n%s", schema, source, diff)
		}
	}
}

// declaredMessages are the constants of messages.go.
func declaredMessages(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "messages.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(file, func(node ast.Node) bool {
		if spec, ok := node.(*ast.ValueSpec); ok {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, text)
		}
		return true
	})
	return found
}
