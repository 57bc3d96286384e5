package grant_test

import (
	"testing"

	"github.com/mintmark-auth/mintmark/internal/grant"
)

// TestAKeyIsTheDigestOfItsKindAndParts holds keys that were computed once. Replicas of two
// versions run beside each other and must find each other's records.
func TestAKeyIsTheDigestOfItsKindAndParts(t *testing.T) {
	t.Parallel()
	for want, got := range map[grant.Key]grant.Key{
		"c:wR3kEbPf__NPr5Bswotq9A": grant.KeyOf(grant.Code, "mac_code"),
		"d:YyFPzl9EKH-S21UwUgnxcg": grant.KeyOf(grant.Device, "mac_code"),
		"j:1nd_GnAHYAyW22aS26MjQA": grant.KeyOf(grant.Seen, "assertion", "orders", "id-1"),
	} {
		if got != want {
			t.Errorf("key = %s, want %s", got, want)
		}
	}
}

func TestKeysOfDifferentPartsNeverMeet(t *testing.T) {
	t.Parallel()
	parts := [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"b", "a"}, {"a", "b", ""}, {"", "ab"}, {"abc"}, {"a", "bc"}, {"ab", "c"}}
	met := make(map[grant.Key][]string)
	for _, kind := range []grant.Kind{grant.Code, grant.Pushed, grant.Device, grant.UserCode, grant.Seen, grant.Flow} {
		for _, p := range parts {
			key := grant.KeyOf(kind, p...)
			if other, ok := met[key]; ok {
				t.Errorf("%q and %q have one key", other, p)
			}
			met[key] = p
			if len(key) != 24 || key[0] != byte(kind) || key[1] != ':' {
				t.Errorf("key %q is not the letter of its kind, a colon and 22 characters", key)
			}
		}
	}
}
