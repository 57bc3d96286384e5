package user_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/mintmark-auth/mintmark/internal/user"
)

func TestSpellingsOfAUsernameAreOneUser(t *testing.T) {
	t.Parallel()
	for canonical, spellings := range map[string][]string{
		"admin":                 {"admin", "Admin", "ADMIN", "aDmIn", "ADMİN", "admın", "admi\u0307n", "ＡＤＭＩＮ"},
		"josé":                  {"josé", "jose\u0301", "JOSÉ", "JOSE\u0301"},
		"kelvin":                {"Kelvin", "\u212Aelvin"},
		"σίσυφοσ":               {"σίσυφος", "ΣΊΣΥΦΟΣ", "σίσυφοσ"},
		"bob@example.com":       {"bob@example.com", "Bob@Example.COM"},
		"o'neil-x_y.z+1":        {"O'Neil-X_Y.Z+1"},
		"straße":                {"straße", "Straße"},
		"山田たろう":                 {"山田たろう"},
		"иван":                  {"Иван", "ИВАН"},
		"x":                     {"x", "X"},
		"ọ\u0307k":              {"ọ\u0307k", "o\u0307\u0323k"},
		"ị\u0307a":              {"İ\u0323a", "I\u0323\u0307a"},
		strings.Repeat("n", 64): {strings.Repeat("N", 64)},
	} {
		for _, spelling := range spellings {
			got, err := user.CanonicalUsername(spelling)
			if err != nil || got != norm.NFC.String(canonical) {
				t.Errorf("CanonicalUsername(%+q) = %+q, %v; want %+q", spelling, got, err, canonical)
			}
		}
	}
}

func TestDifferentUsernamesStayDifferent(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, name := range []string{"jose", "josé", "bob", "b.ob", "b-ob", "bob1", "straße", "strasse", "иван", "山田"} {
		canonical, err := user.CanonicalUsername(name)
		if err != nil {
			t.Fatalf("CanonicalUsername(%q): %v", name, err)
		}
		if other, taken := seen[canonical]; taken {
			t.Errorf("%q and %q are both %q", name, other, canonical)
		}
		seen[canonical] = name
	}
}

func TestMisleadingUsernamesAreRefused(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]user.Problem{
		"":                                   user.ProblemUsernameLength,
		strings.Repeat("n", 65):              user.ProblemUsernameLength,
		strings.Repeat("n", 1<<20):           user.ProblemUsernameLength,
		"admin ":                             user.ProblemUsernameCharacters,
		" admin":                             user.ProblemUsernameCharacters,
		"ad min":                             user.ProblemUsernameCharacters,
		"ad\u00a0min":                        user.ProblemUsernameCharacters,
		"ad\u200bmin":                        user.ProblemUsernameCharacters,
		"ad\u200dmin":                        user.ProblemUsernameCharacters,
		"क\u094d\u200dष":                     user.ProblemUsernameCharacters, // PRECIS alone would allow it
		"ad\u00admin":                        user.ProblemUsernameCharacters,
		"ad\u202emin":                        user.ProblemUsernameCharacters,
		"ad\ufe0fmin":                        user.ProblemUsernameCharacters,
		"ⓐdmin":                              user.ProblemUsernameCharacters,
		"\U0001d41admin":                     user.ProblemUsernameCharacters,
		"ﬁsh":                                user.ProblemUsernameCharacters,
		"ad\x00min":                          user.ProblemUsernameCharacters,
		"ad\nmin":                            user.ProblemUsernameCharacters,
		"ad\x7fmin":                          user.ProblemUsernameCharacters,
		"ad\xffmin":                          user.ProblemUsernameCharacters,
		"\u093eक":                            user.ProblemUsernameCharacters,
		"admi\u0307\u0307n":                  user.ProblemUsernameCharacters, // which dot is the second?
		"\u0301admin":                        user.ProblemUsernameCharacters,
		"😀":                                  user.ProblemUsernameCharacters,
		"аdmin" /* Cyrillic а */ :            user.ProblemUsernameScripts,
		"admiη" /* Greek η */ :               user.ProblemUsernameScripts,
		"иван山田" /* Cyrillic with Han */ :    user.ProblemUsernameScripts,
		"たろう홍길동" /* Japanese with Korean */ : user.ProblemUsernameScripts,
	} {
		if got, err := user.CanonicalUsername(name); !errors.Is(err, want) {
			t.Errorf("CanonicalUsername(%.20q) = %.20q, %v; want %v", name, got, err, want)
		}
	}
}

func TestSpellingsOfAnAddressAreOneMailbox(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"Bob@Example.COM":              "bob@example.com",
		"bob+tag@example.com":          "bob+tag@example.com",
		"b.ob@example.com":             "b.ob@example.com",
		"root@localhost":               "root@localhost",
		"jose\u0301@example.com":       "josé@example.com",
		"JOSÉ@example.com":             "josé@example.com",
		"bob@Bücher.example":           "bob@xn--bcher-kva.example",
		"bob@bu\u0308cher.example":     "bob@xn--bcher-kva.example",
		"bob@xn--bcher-kva.example":    "bob@xn--bcher-kva.example",
		"bob@BÜCHER.example":           "bob@xn--bcher-kva.example",
		"o'neil/x=y{z}@mail.example":   "o'neil/x=y{z}@mail.example",
		strings.Repeat("a", 64) + "@b": strings.Repeat("a", 64) + "@b",
	} {
		if got, err := user.CanonicalEmail(address); err != nil || got != want {
			t.Errorf("CanonicalEmail(%q) = %q, %v; want %q", address, got, err, want)
		}
	}
}

func TestAnAddressIsOneBareMailbox(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 60) + "@" + strings.Repeat(strings.Repeat("b", 60)+".", 4) + "example"
	for _, address := range []string{
		"", "bob", "@", "bob@", "@example.com", "bob@@example.com", "a@b@example.com",
		"Bob <bob@example.com>", "<bob@example.com>", "bob@example.com, eve@example.com", "bob@example.com;eve@example.com",
		"bob@example.com (Bob)", "(x)bob@example.com", `"bob"@example.com`, `"b@b"@example.com`, `"b b"@example.com`,
		" bob@example.com", "bob@example.com ", "bob @example.com", "bob@ example.com",
		"bob@example.com\r\nBcc: eve@example.com", "bob@example.com\n", "bo\r\n b@example.com", "bob\x00@example.com", "bob@exam\x00ple.com", "b\tob@example.com",
		".bob@example.com", "bob.@example.com", "b..ob@example.com", "bob@example..com", "bob@.example.com", "bob@example.com.", "bob@bücher.example。",
		"bob@[127.0.0.1]", "bob@-example.com", "bob@example-.com", "bob@exa_mple.com", "bob@" + strings.Repeat("b", 64) + ".com", "bob@xn--\u00fc.com", "bob@xn--a.com",
		"bob\u200b@example.com", "bob\u202e@example.com", "b\xffob@example.com", "ⓑob@example.com", "=?utf-8?q?bob?=@example.com\x01",
		"undisclosed:;", "group: bob@example.com;", "mailto:bob@example.com,", "<@relay.example:bob@example.com>",
		"mıke@example.com", "\u212Aate@example.com", "bob@example。com", "bob@ｅxample.com", "bоb@example.com", // not ASCII, or mixed, though it looks so
		long, strings.Repeat("a", 65) + "@b", strings.Repeat("a", 1<<20) + "@b",
	} {
		if got, err := user.CanonicalEmail(address); !errors.Is(err, user.ProblemEmail) {
			t.Errorf("CanonicalEmail(%.40q) = %.40q, %v; want %v", address, got, err, user.ProblemEmail)
		}
	}
}

func TestAMebibyteOfNameCostsNothing(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("e\u0301", 1<<20/3)
	address := name + "@example.com"
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := user.CanonicalUsername(name); err == nil {
				b.Fatal("the name is accepted")
			}
			if _, err := user.CanonicalEmail(address); err == nil {
				b.Fatal("the address is accepted")
			}
		}
	}).AllocedBytesPerOp()
	if allocated > 1024 {
		t.Errorf("refusing them allocates %d bytes", allocated)
	}
}

func FuzzCanonicalUsernameIsStable(f *testing.F) {
	for _, name := range []string{"Admin", "ADMİN", "ς", "ᾳ", "\u0345", "ẞ", "ꭰ", "İ\u0323", "ǅ", "ŉ", "e\u0301", "ｱ\uff9e", "한글"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		canonical, err := user.CanonicalUsername(name)
		if err != nil {
			return
		}
		if n := utf8.RuneCountInString(canonical); n < 1 || n > 64 || !norm.NFC.IsNormalString(canonical) {
			t.Errorf("%+q becomes %+q", name, canonical)
		}
		for _, spelling := range []string{canonical, norm.NFC.String(name), norm.NFD.String(name)} {
			if len(spelling) > 1024 {
				continue
			}
			if again, err := user.CanonicalUsername(spelling); err != nil || again != canonical {
				t.Errorf("%+q is %+q, but %+q is %+q, %v", name, canonical, spelling, again, err)
			}
		}
		if upper, err := user.CanonicalUsername(strings.ToUpper(name)); err == nil && upper != canonical {
			t.Errorf("%+q is %+q, but %+q is %+q", name, canonical, strings.ToUpper(name), upper)
		}
	})
}

func FuzzCanonicalEmailIsStable(f *testing.F) {
	for _, address := range []string{"Bob@Example.com", "josé@bücher.example", `"a"@b`, "a@xn--bcher-kva", "a@ß.example"} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		canonical, err := user.CanonicalEmail(address)
		if err != nil {
			return
		}
		if again, err := user.CanonicalEmail(canonical); err != nil || again != canonical {
			t.Errorf("%+q is %+q, but that is %+q, %v", address, canonical, again, err)
		}
		if strings.ContainsFunc(canonical, func(r rune) bool { return r <= ' ' || r == 0x7f }) || strings.Count(canonical, "@") != 1 {
			t.Errorf("%+q becomes %+q", address, canonical)
		}
	})
}
