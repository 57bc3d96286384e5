package user_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// problemsOf are those of a registration under this name.
func problemsOf(name string) []user.Problem {
	_, problems := user.NewRules(12).Accept(user.Registration{
		Username: name, Email: "bob@example.com", Password: secret.NewString("violet tram umbrellas"),
	})
	return problems
}

func TestANewNameDoesNotReadAsAnID(t *testing.T) {
	t.Parallel()
	const id = "019a8c3e-7b1f-7c52-9d0e-3f6a5b8c1d42"
	bare := strings.ReplaceAll(id, "-", "")
	for _, name := range []string{
		id, strings.ToUpper(id), bare, "{" + id + "}", "{" + bare + "}", "urn:uuid:" + id, "URN:UUID:" + bare, "uuid:" + id, "(" + id + ")", "<" + id + ">",
		"019a8c3e_7b1f_7c52_9d0e_3f6a5b8c1d42", "019a:8c3e:7b1f:7c52:9d0e:3f6a:5b8c:1d42", "0-1-9-a8c3e7b1f7c529d0e3f6a5b8c1d42",
		"O19a8c3e-7b1f-7c52-9dOe-3f6a5b8cId4l", // letters for the digits
		"00000000-0000-0000-0000-000000000000", // no id is so, and yet it reads as one
		"mrt_AQAAAAAA", "MRT_x",                // as a refresh token
		"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"[:43], // as the id of a key
	} {
		if got := problemsOf(name); !cmp.Equal(got, []user.Problem{user.ProblemUsernameIsID}) {
			t.Errorf("%q: got %q", name, got)
		}
		if _, err := user.CanonicalUsername(name); err != nil {
			t.Errorf("%q, which may be the name of a user of an earlier version: %v", name, err)
		}
	}
	for _, name := range []string{
		"ada", "deadbeef", bare[1:], bare + "0", "g" + bare[1:], "x" + id, "beef-cafe", "mrt", "m.r.t_x", "sid", "uuid", strings.Repeat("n", 42), strings.Repeat("n", 44),
	} {
		if got := problemsOf(name); got != nil {
			t.Errorf("%q: got %q", name, got)
		}
	}
}

func TestANewNameDoesNotReadAsAnOptionOrAPath(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"-", "--", "-x", "--yes", ".", "..", "..."} {
		if got := problemsOf(name); !cmp.Equal(got, []user.Problem{user.ProblemUsernameStart}) {
			t.Errorf("%q: got %q", name, got)
		}
		if _, err := user.CanonicalUsername(name); err != nil {
			t.Errorf("%q, which may be the name of a user of an earlier version: %v", name, err)
		}
	}
	for _, name := range []string{"x-", "x-y", "_x", "x.y", ".x", "x."} {
		if got := problemsOf(name); got != nil {
			t.Errorf("%q: got %q", name, got)
		}
	}
}

func TestAnIDIsReadInEveryFormOfAUUIDAndInNoOther(t *testing.T) {
	t.Parallel()
	const id = "019a8c3e-7b1f-7c52-9d0e-3f6a5b8c1d42"
	for _, word := range []string{id, strings.ToUpper(id), strings.ReplaceAll(id, "-", ""), "{" + id + "}", "urn:uuid:" + id} {
		if got, ok := user.ParseID(word); !ok || got != id {
			t.Errorf("%s: got %q, %t", word, got, ok)
		}
	}
	for _, word := range []string{"", "ada", "x" + id + "y", "(" + id + ")", id + " ", id[1:], "{" + strings.ReplaceAll(id, "-", "") + "}"} {
		if got, ok := user.ParseID(word); ok {
			t.Errorf("%q: got %q, want none", word, got)
		}
	}
}
