package revocation_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/token"
)

// keyed are lists whose key set a test changes.
type keyed struct {
	*revocation.Lists
	set  string
	told int // how often the keys are said to have changed
}

func newKeyed(t *testing.T, store revocation.Store) *keyed {
	t.Helper()
	k, sign := &keyed{set: "set-1"}, signer(t, "k1")
	k.Lists = revocation.New(revocation.Config{
		Issuer: issuer, AccessTTL: ttl, Store: store, Signer: func(now time.Time) (*token.Signer, error) { return sign(now) },
		KeySet: func() string { return k.set }, KeysChanged: func() { k.told++ },
	})
	return k
}

func keySetOf(t *testing.T, jwt string) string {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	var claims struct {
		KeySet string `json:"https://github.com/mintmark-auth/mintmark/jwks-sha256"`
	}
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims.KeySet
}

// TestAListNamesTheKeySetAndIsAnotherOnceThatIsAnother, although no session was revoked, and the order of lists stays.
func TestAListNamesTheKeySetAndIsAnotherOnceThatIsAnother(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		store := &rows{}
		k := newKeyed(t, store)
		store.revoke(1)
		refresh(t, k.Lists)
		first := fetch(t, k.Lists, 0)
		if got := keySetOf(t, first.Token); got != "set-1" {
			t.Errorf("the list names %q", got)
		}
		refresh(t, k.Lists)
		if same := fetch(t, k.Lists, 0); same != first {
			t.Error("without a change there is another list")
		}
		k.set = "set-2"
		refresh(t, k.Lists)
		held := revocation.ParseHeld(first.ETag)
		second, newer, err := k.Newer(t.Context(), 0, held, 0)
		if err != nil || !newer || keySetOf(t, second.Token) != "set-2" || second.ETag == first.ETag {
			t.Errorf("who has the list of the other set gets %+v, %t, %v", second, newer, err)
		}
		store.revoke(2)
		behind := newKeyed(t, &rows{}) // a replica that has read neither the keys nor the revocations
		refresh(t, behind.Lists)
		refresh(t, k.Lists)
		latest := fetch(t, k.Lists, 0)
		if _, newer, err := behind.Newer(t.Context(), 0, revocation.ParseHeld(latest.ETag), 0); newer || err != nil {
			t.Errorf("a replica that is behind takes a revocation back: %t, %v", newer, err)
		}
	})
}

func TestAChangeOfTheStoredKeysIsToldOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		store := &rows{keys: "1"}
		k := newKeyed(t, store)
		for _, c := range []struct {
			keys string
			want int
		}{{"1", 1}, {"1", 1}, {"2", 2}, {"2", 2}, {"1", 3}} {
			store.keys = c.keys
			if refresh(t, k.Lists); k.told != c.want {
				t.Errorf("after the state %s: told %d times, want %d", c.keys, k.told, c.want)
			}
		}
	})
}
