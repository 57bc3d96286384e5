package archtest_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/archtest"
)

const module = "github.com/mintmark-auth/mintmark/"

type listed struct {
	ImportPath string
	Doc        string
	Imports    []string
}

// packages lists every package of the module with what its own code imports.
func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Doc,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 20 { // of no packages every rule holds
		t.Fatalf("go list finds %d packages, want the whole house", len(all))
	}
	return all
}

func TestImportsPointOnlyDownwards(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		room, ok := archtest.RoomOf(name)
		if !ok {
			t.Errorf("%s is in no room of the house: add it to rooms.go with what it may not import", name)
			continue
		}
		for _, imported := range p.Imports {
			own, isOurs := strings.CutPrefix(imported, module)
			if !isOurs {
				own = imported
			}
			if reason := room.Forbids(own, isOurs); reason != "" {
				t.Errorf("%s imports %s: %s", name, own, reason)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if strings.TrimSpace(p.Doc) == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

func TestNoPackageIsNamedAfterNothing(t *testing.T) {
	t.Parallel()
	empty := []string{"service", "services", "manager", "util", "utils", "common", "helper", "helpers", "model", "models", "dto"}
	for _, p := range packages(t) {
		if slices.Contains(empty, path.Base(p.ImportPath)) {
			t.Errorf("%s is named after nothing", p.ImportPath)
		}
	}
}

func TestRulesCatchWhatTheyForbid(t *testing.T) {
	t.Parallel()
	cases := []struct{ from, imported string }{
		{"internal/authority", "net/http"},
		{"internal/authority", "internal/httpapi"},
		{"internal/httpapi", "internal/store/postgres"},
		{"internal/operator", "internal/cli"},
		{"internal/operator", "net/http"},
		{"internal/httpapi", "database/sql"},
		{"internal/session", "internal/httpapi"},
		{"internal/store/sqlite", "internal/store/postgres"},
		{"pkg/verifier", "internal/token"},
		{"pkg/verifier/verifiergin", "internal/httpapi"},
		{"pkg/verifier/verifiertest", "github.com/lestrrat-go/jwx/v2/jwt"},
		{"pkg/tokensource", "pkg/verifier"},
		{"internal/weather", "internal/session"},
		{"internal/config", "internal/user"},
		{"internal/cli", "github.com/jackc/pgx/v5"},
		{"internal/user", "github.com/lestrrat-go/jwx/v2/jwk"},
	}
	for _, c := range cases {
		room, ok := archtest.RoomOf(c.from)
		if !ok {
			t.Fatalf("%s has no room", c.from)
		}
		if room.Forbids(c.imported, strings.HasPrefix(c.imported, "internal/") || strings.HasPrefix(c.imported, "pkg/")) == "" {
			t.Errorf("%s may import %s", c.from, c.imported)
		}
	}
}
