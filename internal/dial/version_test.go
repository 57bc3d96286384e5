package dial_test

import (
	"errors"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/dial"
)

func TestAServerIsRefusedByTheFirstNumberOfItsVersion(t *testing.T) {
	t.Parallel()
	for version, refused := range map[string]bool{
		"14.9 (Debian 14.9-1)": true, "9.6.24": true, "0": true, "14": true,
		"15": false, "15.4 (Debian 15.4-1.pgdg)": false, "16beta1": false, "100.1": false,
		"": false, "unknown": false, "v14": false, "99999999999999999999.1": false,
	} {
		err := dial.CheckVersion("Postgres", version, 15)
		if errors.Is(err, dial.ErrOldServer) != refused || (err != nil) != refused {
			t.Errorf("%q: %v; want refused: %t", version, err, refused)
		}
	}
}
