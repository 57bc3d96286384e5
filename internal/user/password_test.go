package user_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/user"
)

const tooShort user.Problem = "Password must have at least 12 characters."

func TestComposedAndDecomposedPasswordsAreTheSame(t *testing.T) {
	t.Parallel()
	composed, err := user.PreparePassword("caf\u00e9 violet tram")
	if err != nil {
		t.Fatal(err)
	}
	decomposed, err := user.PreparePassword("cafe\u0301 violet tram")
	if err != nil {
		t.Fatal(err)
	}
	if composed != decomposed {
		t.Errorf("got %+q and %+q", composed, decomposed)
	}
}

func TestPreparingKeepsEveryCharacter(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{" leading and trailing ", "CaSe KePt", "tab\tin it", "😀 emoji 😀", "ﬁ ligature", strings.Repeat("x", 256)} {
		if got, err := user.PreparePassword(raw); err != nil || got != raw {
			t.Errorf("PreparePassword(%q) = %q, %v", raw, got, err)
		}
	}
}

func TestImpossiblePasswordsAreRefusedBeforeAnyWork(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]user.Problem{
		"":                            user.ProblemPasswordMissing,
		strings.Repeat("x", 257):      user.ProblemPasswordTooLong,
		strings.Repeat("é", 257):      user.ProblemPasswordTooLong,
		strings.Repeat("x", 1<<20):    user.ProblemPasswordTooLong,
		strings.Repeat("\xff", 1<<20): user.ProblemPasswordTooLong, // the length is looked at first
		"violet tram\x00umbrella":     user.ProblemPasswordText,
		"violet tram\xffumbrella":     user.ProblemPasswordText,
	} {
		if got, err := user.PreparePassword(raw); !errors.Is(err, want) || got != "" {
			t.Errorf("PreparePassword(%.20q of %d) = %.20q, %v; want %v", raw, len(raw), got, err, want)
		}
	}
}

// USR-08.
func TestAMebibyteOfPasswordCostsNothing(t *testing.T) {
	t.Parallel()
	raw := strings.Repeat("e\u0301", 1<<20/3)
	rules := user.NewRules(12)
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, problems := rules.Check("bob", "bob@example.com", raw); len(problems) != 1 {
				b.Fatal(problems)
			}
		}
	}).AllocedBytesPerOp()
	if allocated > 1024 {
		t.Errorf("refusing it allocates %d bytes", allocated)
	}
}

func TestAPasswordMustFollowEveryRule(t *testing.T) {
	t.Parallel()
	rules := user.NewRules(12)
	for _, c := range []struct {
		name, username, email, password string
		want                            []user.Problem
	}{
		{"good", "bob", "bob@example.com", "violet tram seven umbrellas", nil},
		{"twelve characters", "bob", "bob@example.com", "k7#wQp2!mZx9", nil},
		{"eleven characters", "bob", "bob@example.com", "k7#wQp2!mZx", []user.Problem{tooShort}},
		{"characters are not bytes", "bob", "bob@example.com", "ñandú-épée", []user.Problem{tooShort}},
		{"characters count after NFC", "bob", "bob@example.com", "k7#wQp2!mZ9e\u0301", nil},
		{"composing makes it too short", "bob", "bob@example.com", "k7#wQp2!mZe\u0301", []user.Problem{tooShort}},
		{"contains the name", "bobby", "x@example.com", "violet bobby umbrellas", []user.Problem{user.ProblemPasswordContainsUsername}},
		{"contains the name in another case", "Bobby", "x@example.com", "violet bOBBY umbrellas", []user.Problem{user.ProblemPasswordContainsUsername}},
		{"contains the name decomposed", "josé", "x@example.com", "violet jose\u0301 umbrellas", []user.Problem{user.ProblemPasswordContainsUsername}},
		{"a name of two letters tells nothing", "vi", "x@example.com", "violet tram umbrellas", nil},
		{"contains the address", "bob", "ty@example.com", "my ty@EXAMPLE.com pass", []user.Problem{user.ProblemPasswordIsEmail}},
		{"is the name of the address", "bob", "rosalinde.meyer@example.com", "Rosalinde.Meyer77!", []user.Problem{user.ProblemPasswordIsEmail}},
		{"the name of the address within a phrase", "bob", "tram@example.com", "violet tram umbrellas", nil},
		{"digits as the name of an address", "bob", "123@example.com", "839201847362", nil},
		{"all at once", "bob", "pass@example.com", "bob", []user.Problem{tooShort, user.ProblemPasswordContainsUsername, user.ProblemPasswordCommon}},
		{"too long stands alone", "bob", "bob@example.com", strings.Repeat("bob", 100), []user.Problem{user.ProblemPasswordTooLong}},
	} {
		_, got := rules.Check(c.username, c.email, c.password)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestTheLeastLengthIsConfigurable(t *testing.T) {
	t.Parallel()
	_, problems := user.NewRules(20).Check("bob", "bob@example.com", "violet umbrellas")
	if want := []user.Problem{"Password must have at least 20 characters."}; !cmp.Equal(problems, want) {
		t.Errorf("got %v, want %v", problems, want)
	}
	if _, problems := user.NewRules(8).Check("bob", "bob@example.com", "k7#wQp2!"); problems != nil {
		t.Errorf("got %v with a least length of 8", problems)
	}
}

func TestARegistrationReportsAllItsProblemsAtOnce(t *testing.T) {
	t.Parallel()
	rules := user.NewRules(12)
	for _, c := range []struct {
		name         string
		registration user.Registration
		want         []user.Problem
	}{
		{"nothing given", user.Registration{}, []user.Problem{user.ProblemUsernameLength, user.ProblemEmail, user.ProblemPasswordMissing}},
		{
			"everything wrong",
			user.Registration{Username: "ad min", Email: "bob", Password: secret.NewString("password123")},
			[]user.Problem{user.ProblemUsernameCharacters, user.ProblemEmail, tooShort, user.ProblemPasswordCommon},
		},
		{
			"somebody else's address as name",
			user.Registration{Username: "eve@example.com", Email: "bob@example.com", Password: secret.NewString("violet tram umbrellas")},
			[]user.Problem{user.ProblemUsernameIsAddress},
		},
		{
			"no address as name",
			user.Registration{Username: "@eve", Email: "bob@example.com", Password: secret.NewString("violet tram umbrellas")},
			[]user.Problem{user.ProblemUsernameIsAddress},
		},
	} {
		accepted, got := rules.Accept(c.registration)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if accepted != (user.Accepted{}) {
			t.Errorf("%s: accepted %v", c.name, accepted)
		}
	}
}

func TestAnAcceptedRegistrationKeepsWhatWasTypedAndItsCanonicalForm(t *testing.T) {
	t.Parallel()
	got, problems := user.NewRules(12).Accept(user.Registration{
		Username: "Jose\u0301",
		Email:    "Jose@Bücher.example",
		Password: secret.NewString("cafe\u0301 violet umbrellas"),
	})
	if problems != nil {
		t.Fatal(problems)
	}
	if got.Username != "José" || got.CanonicalUsername != "josé" ||
		got.Email != "Jose@Bücher.example" || got.CanonicalEmail != "jose@xn--bcher-kva.example" {
		t.Errorf("got %+v", got)
	}
	if got.Password.Reveal() != "café violet umbrellas" {
		t.Errorf("password is not NFC: %+q", got.Password.Reveal())
	}
	if printed := fmt.Sprintf("%v %+v %#v", got, got, got); strings.Contains(printed, "violet") {
		t.Errorf("the password is printed: %s", printed)
	}
}

func TestTheOwnAddressMayBeTheUsername(t *testing.T) {
	t.Parallel()
	_, problems := user.NewRules(12).Accept(user.Registration{
		Username: "BOB@example.com", Email: "bob@Example.com", Password: secret.NewString("violet tram umbrellas"),
	})
	if problems != nil {
		t.Error(problems)
	}
}

func FuzzCheckNeverPanics(f *testing.F) {
	for _, password := range []string{"p@ssw0rd1234", "пароль123456", "\ufffd\ufffd\ufffd", "İİİ123abc", "e\u0301"} {
		f.Add("bob", "bob@example.com", password)
	}
	rules := user.NewRules(12)
	f.Fuzz(func(t *testing.T, username, email, password string) {
		prepared, problems := rules.Check(username, email, password)
		if problems != nil {
			return
		}
		if again, err := user.PreparePassword(prepared); err != nil || again != prepared {
			t.Errorf("%+q is prepared as %+q and then as %+q, %v", password, prepared, again, err)
		}
	})
}
