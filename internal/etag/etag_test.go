package etag_test

import (
	"slices"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/etag"
)

func TestATagIsThatOfItsContent(t *testing.T) {
	t.Parallel()
	const empty = `"47DEQpj8HBSa-_TImW-5JA"` // the first half of SHA-256 of nothing, base64url
	if got := etag.Of(nil); got != empty {
		t.Errorf("tag of nothing = %s, want %s", got, empty)
	}
	if etag.Of([]byte("a")) == etag.Of([]byte("b")) {
		t.Error("two contents have one tag")
	}
}

func TestTagsAreReadOneByOne(t *testing.T) {
	t.Parallel()
	for field, want := range map[string][]string{
		"":                 {""},
		`"a"`:              {`"a"`},
		"W/\"a\" ,\t\"b\"": {`"a"`, `"b"`},
		`*`:                {"*"},
		`"a",,w/"b"`:       {`"a"`, "", `w/"b"`},
	} {
		if got := slices.Collect(etag.Listed(field)); !slices.Equal(got, want) {
			t.Errorf("%s gives %q, want %q", field, got, want)
		}
	}
}
