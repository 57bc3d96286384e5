package user_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/mintmark-auth/mintmark/internal/user"
)

func TestCommonPasswordsAreRefused(t *testing.T) {
	t.Parallel()
	rules := user.NewRules(12)
	for _, password := range []string{
		// words of the list, lengthened
		"password1234", "Password2024!", "P@ssw0rd123!", "p4ssw0rd!!!!", "passwordpassword", "PasswordPassword1", "pass word pass word",
		"administrator", "Administrator1!", "@dministrator", "adm1n1strator", "iloveyou1234", "iloveyouforever", "letmeinplease", "LetMeIn!2023#",
		"welcome12345", "Welcome-2-2024", "trustno1trustno1", "changemenow!", "change_me_now!", "qwertyqwerty", "correcthorsebatterystaple", "Correct-Horse-Battery-Staple",
		"thisismypassword", "summer2024summer", "Summer2024!!!", "monkeydragon12", "dragon.monkey.1999", "mintmarkadmin1", "!!!!superman!!!!", "passwort1234", "contraseña123",
		"парольпароль", "sunshine-1990", "$uperman$uperman",
		// repetitions
		"aaaaaaaaaaaa", "aaaaaaaaaaab", "123412341234", "xk7!xk7!xk7!", "k2#k2#k2#k2#k", "zq8%tvzq8%tv", "ÖÖÖÖÖÖÖÖÖÖÖÖ", "            ", "111122223333", "abababababab", "aabbccddaabb",
		// runs
		"qwertyuiop12", "qwertyuiopas", "abcdefghijkl", "zyxwvutsrqpo", "123456789012", "210987654321", "1qaz2wsx3edc", "1q2w3e4r5t6y", "qazwsxedcrfv", "asdfghjkl;'1",
		"q-w-e-r-t-y-1-2-3-4-5-6", "qwertzuiop12", "azertyuiop12", "йцукенгшщзхъ", "!@#$%^&*()_+", "abcdef123456", "198519861987", "poiuytrewq!!",
	} {
		if _, problems := rules.Check("nobody-here", "x@example.com", password); !slices.Contains(problems, user.ProblemPasswordCommon) {
			t.Errorf("%q is accepted: %v", password, problems)
		}
	}
}

func TestCompatibilityFormsOfCommonPasswordsAreRefused(t *testing.T) {
	t.Parallel()
	rules := user.NewRules(12)
	for _, password := range []string{
		"ｐａｓｓｗｏｒｄ１２３４", "ＰＡＳＳＷＯＲＤ２０２４！", // full width
		"𝐩𝐚𝐬𝐬𝐰𝐨𝐫𝐝𝟏𝟐𝟑𝟒", "𝓅𝒶𝓈𝓈𝓌ℴ𝓇𝒹1234", "𝕢𝕨𝕖𝕣𝕥𝕪𝕦𝕚𝕠𝕡𝟙𝟚", // of mathematics
		"ⓟⓐⓢⓢⓦⓞⓡⓓ①②③④", "ᵖᵃˢˢʷᵒʳᵈ¹²³⁴", "paſſword1234", "ｱｱｱｱｱｱｱｱｱｱｱｱ", "aaaaaａaaaaaａ", "ﬀﬀﬀﬀﬀﬀﬀﬀﬀﬀﬀﬀ", "１２３４５６７８９０１２",
	} {
		if _, problems := rules.Check("nobody-here", "x@example.com", password); !slices.Contains(problems, user.ProblemPasswordCommon) {
			t.Errorf("%q is accepted: %v", password, problems)
		}
	}
	for password, want := range map[string]user.Problem{
		"violet ｎｏｂｏｄｙ-ｈｅｒｅ umbrellas": user.ProblemPasswordContainsUsername,
		"violet ada＠example.com":       user.ProblemPasswordIsEmail,
	} {
		if _, problems := rules.Check("nobody-here", "ada@example.com", password); !slices.Contains(problems, want) {
			t.Errorf("%q is accepted: %v", password, problems)
		}
	}
	const fullWidth = "ｖｉｏｌｅｔ ｔｒａｍ ｓｅｖｅｎ"
	if prepared, problems := rules.Check("nobody-here", "x@example.com", fullWidth); problems != nil || prepared != fullWidth {
		t.Errorf("%q becomes %q: %v", fullWidth, prepared, problems)
	}
}

func TestSanePasswordsAreAccepted(t *testing.T) {
	t.Parallel()
	rules := user.NewRules(12)
	for _, password := range []string{
		"violet tram seven umbrellas", "purple monkey dishwasher", "Tr0ub4dor&3 and more", "k7#wQp2!mZx9", "839201847362", "73829104ab58201", "73829104love58201",
		"my password is a long song about rain", "love is a battlefield they say", "the tiger ate my homework", "jonquil-baker-7-lamp", "zwölf Boxkämpfer jagen",
		"summer rain on tin roofs", "窓の外では雨が静かに降り続く", "дождь идёт с самого утра", "x5aaaaq81vbn2", "83k2abc91xyz", "correct mare dynamo staple", "9f86d081884c7d65", "Kx9vRt2LmQ8w", "#(^)=/?{}[];:",
	} {
		if _, problems := rules.Check("nobody-here", "x@example.com", password); problems != nil {
			t.Errorf("%q is refused: %v", password, problems)
		}
	}
}

func TestTheListIsLongAndInTheShapeThatIsCompared(t *testing.T) {
	t.Parallel()
	words := user.CommonWords()
	if len(words) < 300 {
		t.Errorf("only %d entries", len(words))
	}
	lines := 0
	for line := range strings.Lines(user.CommonPasswordsText()) {
		if !strings.HasPrefix(line, "#") && strings.TrimSpace(line) != "" {
			lines++
		}
	}
	if lines != len(words) {
		t.Errorf("%d lines give %d entries: some stand twice", lines, len(words))
	}
	for _, word := range words {
		odd := strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		if odd || word != strings.ToLower(word) || len([]rune(word)) < 3 {
			t.Errorf("%q can never be found", word)
		}
	}
}
