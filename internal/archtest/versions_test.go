package archtest_test

import (
	"go/version"
	"os"
	"regexp"
	"testing"
)

// TestNoDependencyIsOlderThanItsFixes: the versions are the first ones that have the fixes of weaknesses an attacker could
// use here. The CI workflow runs govulncheck besides, which knows what became known later.
func TestNoDependencyIsOlderThanItsFixes(t *testing.T) {
	t.Parallel()
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for name, oldest := range map[string]string{
		"toolchain go":                    "1.26.6",
		"github.com/jackc/pgx/v5 v":       "5.9.2",
		"github.com/lestrrat-go/jwx/v2 v": "2.0.21",
		"github.com/redis/go-redis/v9 v":  "9.7.3",
		"golang.org/x/net v":              "0.55.0",
	} {
		found := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(name) + `(\S+)`).FindSubmatch(module)
		if found == nil {
			t.Errorf("go.mod has no line %s…", name)
			continue
		}
		if got := string(found[1]); version.Compare("go"+got, "go"+oldest) < 0 {
			t.Errorf("go.mod: %s%s is older than %s", name, got, oldest)
		}
	}
}
