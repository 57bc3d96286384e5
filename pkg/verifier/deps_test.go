package verifier_test

import (
	"os/exec"
	"regexp"
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

// TestNoTypeOfAnotherModuleIsExported keeps jwx an affair of this package: it can be replaced without anybody's notice.
func TestNoTypeOfAnotherModuleIsExported(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "doc", "-all", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	qualified := regexp.MustCompile(`\b([a-z0-9]+)\.[A-Z]\w*`)
	declarations := regexp.MustCompile(`(?m)^(func|type|var|const|\t).*$`)
	seen := false
	for _, line := range declarations.FindAllString(string(out), -1) {
		code, _, _ := strings.Cut(line, "//")
		for _, match := range qualified.FindAllStringSubmatch(code, -1) {
			seen = true
			if !slices.Contains([]string{"context", "errors", "http", "slog", "time", "verifier", "v", "mux", "r"}, match[1]) {
				t.Errorf("%s is of another package: %s", match[0], strings.TrimSpace(line))
			}
		}
	}
	if !seen {
		t.Errorf("go doc printed %s", out)
	}
}
