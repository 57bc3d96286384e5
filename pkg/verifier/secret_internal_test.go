package verifier

import "testing"

func TestSecretsAreTheSameOnlyToTheByte(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"", "", true}, {"abc", "abc", true}, {"abc", "abd", false}, {"bbc", "abc", false}, {"abc", "ab", false}, {"ab", "abc", false}, {"", "a", false},
	} {
		if got := sameSecret(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: got %t", c.a, c.b, got)
		}
	}
}
