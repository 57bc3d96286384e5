package revocation

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestATagIsReadBack(t *testing.T) {
	t.Parallel()
	for _, v := range []version{
		{epoch: 9911, count: 3, digest: "SCNu4bPkRnVh7dGhCm8nYw"}, {}, {digest: strings.Repeat("x", maxTag-len(`"0.0."`))},
	} {
		if got, ok := parseTag(v.tag()); !ok || got != v {
			t.Errorf("%s read as %+v, %v", v.tag(), got, ok)
		}
	}
	for _, tag := range []string{
		``, `"`, `""`, `9911.3.x`, `"9911.3.x`, `"9911.3"`, `"9911.3.x.y"`, `"+1.3.x"`, `"01.3.x"`, `"1.-3.x"`, `"-1.3.x"`,
		`"1. 3.x"`, `"99999999999999999999.3.x"`, `"1.3.` + string(make([]byte, maxTag)) + `"`, `""1.3.x""`, `"1.3."x"`,
		`"0.0.` + strings.Repeat("x", maxTag-5) + `"`, `"x.3.y"`, `"1.x.y"`, `".3.y"`, `"1..y"`, `"-0.3.x"`,
	} {
		if v, ok := parseTag(tag); ok {
			t.Errorf("%q read as %+v", tag, v)
		}
	}
}

func TestVersionsAreInOrder(t *testing.T) {
	t.Parallel()
	here := version{epoch: 10, count: 5, digest: "x"}
	const n = 2
	turn := beginOf(n, 11)
	for _, c := range []struct {
		other  version
		before time.Duration // the next epoch of the list
		want   bool
	}{
		{version{epoch: 10, count: 5, digest: "x"}, time.Minute, false},
		{version{epoch: 10, count: 5, digest: "y"}, time.Minute, false},
		{version{epoch: 10, count: 4, digest: "x"}, time.Minute, false},
		{version{epoch: 10, count: 6, digest: "x"}, time.Minute, true},
		{version{epoch: 9, count: 9, digest: "x"}, time.Minute, false},
		{version{epoch: 11, count: 0, digest: "x"}, time.Minute, false},
		{version{epoch: 11, count: 0, digest: "x"}, turnSlack + 1, false},
		{version{epoch: 11, count: 0, digest: "x"}, turnSlack, true},
		{version{epoch: 11, count: 0, digest: "x"}, -time.Second, true},
		{version{epoch: 12, count: 0, digest: "x"}, turnSlack, false},
	} {
		if got := c.other.follows(here, n, turn.Add(-c.before)); got != c.want {
			t.Errorf("%+v follows %+v %s before the turn: %v, want %v", c.other, here, c.before, got, c.want)
		}
	}
}

func FuzzParseTag(f *testing.F) {
	f.Add(`"9911.3.SCNu4bPkRnVh7dGhCm8nYw"`)
	f.Add(`W/"1.2.3"`)
	f.Add(`*`)
	f.Fuzz(func(t *testing.T, tag string) {
		v, ok := parseTag(tag)
		if ok && (v.tag() != tag || v.epoch < 0 || v.count < 0) {
			t.Errorf("%q read as %+v", tag, v)
		}
	})
}

// TestOfManyTagsTheFirstEightCount, so that a request costs no more than ours do.
func TestOfManyTagsTheFirstEightCount(t *testing.T) {
	t.Parallel()
	ours := version{epoch: 9911, count: 3, digest: "SCNu4bPkRnVh7dGhCm8nYw"}
	for text, want := range map[string]Held{
		"":                      {},
		`"other"`:               {},
		"*":                     {any: true},
		"*, " + ours.tag():      {any: true, versions: []version{ours}},
		"\t" + ours.tag() + " ": {versions: []version{ours}},
		ours.tag():              {versions: []version{ours}},
		"W/" + ours.tag():       {versions: []version{ours}},
		`"x",` + ours.tag():     {versions: []version{ours}},
		strings.Repeat(`"x" , `, maxTags-1) + ours.tag(): {versions: []version{ours}},
		strings.Repeat(`"x" , `, maxTags) + ours.tag():   {},
		strings.Repeat(ours.tag()+",", 100):              {versions: slices.Repeat([]version{ours}, maxTags)},
		strings.Repeat(",", maxTags) + "*":               {},
		strings.TrimSuffix(ours.tag(), `"`):              {},
	} {
		if got := ParseHeld(text); got.any != want.any || !slices.Equal(got.versions, want.versions) {
			t.Errorf("%.60q: %+v, want %+v", text, got, want)
		}
	}
}
