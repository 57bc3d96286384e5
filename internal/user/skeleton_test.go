package user_test

import (
	"bufio"
	"compress/gzip"
	"flag"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/user"
)

var update = flag.Bool("update", false, "write confusables.txt")

const confusablesHeader = `# Characters that look alike, from confusables.txt of Unicode 15.0.0 (UTS 39),
# https://www.unicode.org/Public/security/15.0.0/confusables.txt, © 2022 Unicode, Inc.,
# https://www.unicode.org/license.txt. A line is a prototype, a tab and the characters it
# stands for. Made from testdata by: go test ./internal/user -run TestTheTable -update
`

func TestTheTableOfConfusablesIsThatOfUnicode(t *testing.T) {
	t.Parallel()
	want := confusablesHeader + compact(t, "testdata/confusables-15.0.0.txt.gz")
	if *update {
		if err := os.WriteFile("confusables.txt", []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("confusables.txt")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("confusables.txt differs from testdata; run this test with -update")
	}
}

// compact reads Unicode's file and gives a line for each prototype.
func compact(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	likes := map[string][]rune{}
	for lines := bufio.NewScanner(plain); lines.Scan(); {
		line, _, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "\ufeff"), "#")
		fields := strings.Split(line, ";")
		if len(fields) != 3 {
			continue
		}
		prototype := text(t, fields[1])
		likes[prototype] = append(likes[prototype], []rune(text(t, fields[0]))...)
	}
	var table strings.Builder
	for _, prototype := range slices.Sorted(maps.Keys(likes)) {
		slices.Sort(likes[prototype])
		table.WriteString(prototype + "\t" + string(likes[prototype]) + "\n")
	}
	return table.String()
}

// text reads code points such as "0072 006E".
func text(t *testing.T, codes string) string {
	t.Helper()
	var s strings.Builder
	for code := range strings.FieldsSeq(codes) {
		r, err := strconv.ParseInt(code, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		s.WriteRune(rune(r))
	}
	return s.String()
}

func TestNamesThatLookAlikeHaveOneSkeleton(t *testing.T) {
	t.Parallel()
	for _, alike := range [][]string{
		{"Mike", "mike", "rnike", "RNike"},
		{"bob", "BOB", "b0b", "B0B", "ВОВ" /* Cyrillic capitals */, "Вob"},
		{"paypal", "paypaI", "paypa1", "PayPal", "раураl" /* Cyrillic but for the l */},
		{"Ivan", "ivan", "lvan", "1van", "IVAN", "|van"},
		{"admin", "ADMIN", "adrnin", "adm1n", "ADMİN", "admın", "ＡＤＭＩＮ", "ａｄｍｉｎ"},
		{"Info", "inf0", "lnfo"},
		{"apple", "аррӏе" /* Cyrillic */},
		{"scope", "ѕсоре" /* Cyrillic */},
		{"POP", "ΡΟΡ" /* Greek */, "рор" /* Cyrillic */},
		{"modern", "modem", "rnodern"}, // as published: in many fonts they are one
		{"o'neil", "o`neil"},
		{"josé", "jose\u0301", "JOSÉ"},
		{"カ", "力"}, // Katakana, Han
	} {
		for _, name := range alike {
			if got, want := user.Skeleton(name), user.Skeleton(alike[0]); got != want {
				t.Errorf("%q is %+q, and %q is %+q", alike[0], want, name, got)
			}
		}
	}
}

func TestNamesThatDifferToTheEyeHaveSkeletonsOfTheirOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, name := range []string{
		"jose", "josé", "bob", "b.ob", "b-ob", "b_ob", "bob2", "bob3", "bob4", "bob5", "bob6", "bob8", "bob9", "straße", "strasse", "strabe", "иван", "山田", "山口",
		"van", "nan", "uan", "yan", "han", "kan", "pan", "ran", "tan", "xan", "zan", "ean", "fan", "gan", "dan", "wan", "vvan", "ada", "adah", "mona", "nona", "s", "5", "g", "q", "9",
	} {
		skeleton := user.Skeleton(name)
		if other, taken := seen[skeleton]; taken {
			t.Errorf("%q and %q are both %+q", name, other, skeleton)
		}
		seen[skeleton] = name
	}
}

// FuzzSpellingsOfAnASCIINameHaveOneSkeleton: or a name would be free in one of them.
func FuzzSpellingsOfAnASCIINameHaveOneSkeleton(f *testing.F) {
	f.Add("Ada_Lovelace-1815")
	f.Fuzz(func(t *testing.T, name string) {
		if strings.ContainsFunc(name, func(r rune) bool { return r > '~' }) {
			return
		}
		if lower, upper := user.Skeleton(strings.ToLower(name)), user.Skeleton(strings.ToUpper(name)); lower != upper {
			t.Errorf("%q: %+q in lower case, %+q in upper case", name, lower, upper)
		}
	})
}
