package verifier_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestUsersOfThePackageGetNothingButJWX keeps the package small for those who import it: what it needs is the standard
// library and what jwx's key parser needs.
func TestUsersOfThePackageGetNothingButJWX(t *testing.T) {
	t.Parallel()
	const self = "github.com/mintmark-auth/mintmark/pkg/verifier"
	allowed := append(dependencies(t, "github.com/lestrrat-go/jwx/v2/jwk"), self)
	ours := dependencies(t, self)
	if !slices.Contains(ours, self) {
		t.Fatalf("go list printed %v", ours)
	}
	for _, path := range ours {
		if !slices.Contains(allowed, path) {
			t.Errorf("the verifier depends on %s", path)
		}
	}
}

// dependencies lists the packages outside the standard library that pkg is built from.
func dependencies(t *testing.T, pkg string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", pkg).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}
