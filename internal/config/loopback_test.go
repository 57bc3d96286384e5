package config_test

import (
	"testing"

	"github.com/mintmark-auth/mintmark/internal/config"
)

// TestPagesOfThisMachineMayCallOnlyAnAuthorityOfThisMachine that nobody told which pages may.
func TestPagesOfThisMachineMayCallOnlyAnAuthorityOfThisMachine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings []string
		want     bool
	}{
		"the first start":          {nil, true},
		"at another port":          {[]string{"MINTMARK_HTTP_ADDR=[::1]:0"}, true},
		"a listener for all":       {[]string{"MINTMARK_HTTP_ADDR=0.0.0.0:8080", "MINTMARK_INSECURE_PLAIN_HTTP=true"}, false},
		"a public name by a proxy": {[]string{"MINTMARK_ISSUER=https://auth.example.com"}, false},
		"origins are listed":       {[]string{"MINTMARK_CORS_ORIGINS=https://app.example.com"}, false},
	} {
		cfg, err := config.Load(nil, c.settings, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := cfg.LoopbackOrigins(); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
