package user_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/user"
)

// cheap are the least costs argon2id knows; the rules are the same.
var cheap = user.Params{MemoryKiB: 8, Time: 1, Threads: 1}

func newHasher(t testing.TB, params user.Params) *user.Hasher {
	t.Helper()
	hasher, err := user.NewHasher(params, 2, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return hasher
}

func hash(t testing.TB, hasher *user.Hasher, password string) string {
	t.Helper()
	stored, err := hasher.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func TestOnlyTheRightPasswordIsAccepted(t *testing.T) {
	t.Parallel()
	hasher := newHasher(t, cheap)
	stored := hash(t, hasher, "violet tram seven umbrellas")
	for password, want := range map[string]bool{
		"violet tram seven umbrellas":  true,
		"violet tram seven umbrella":   false,
		"violet tram seven umbrellas ": false,
		"Violet tram seven umbrellas":  false,
		"":                             false,
	} {
		ok, stale, err := hasher.Verify(t.Context(), stored, password)
		if ok != want || stale || err != nil {
			t.Errorf("Verify(%q) = %v, %v, %v; want %v", password, ok, stale, err, want)
		}
	}
}

// USR-09.
func TestPasswordsThatDifferAfter72BytesAreDistinguished(t *testing.T) {
	t.Parallel()
	hasher := newHasher(t, cheap)
	common := strings.Repeat("violet tram seven umbrellas ", 9) // 252 bytes
	stored := hash(t, hasher, common+"one")
	for password, want := range map[string]bool{common + "one": true, common + "two": false, common: false, common[:72]: false} {
		if ok, _, err := hasher.Verify(t.Context(), stored, password); ok != want || err != nil {
			t.Errorf("%d bytes: %v, %v; want %v", len(password), ok, err, want)
		}
	}
}

func TestAHashIsAPHCStringWithASaltOfItsOwn(t *testing.T) {
	t.Parallel()
	hasher := newHasher(t, user.Params{MemoryKiB: 64, Time: 3, Threads: 2})
	first, second := hash(t, hasher, "violet"), hash(t, hasher, "violet")
	if !strings.HasPrefix(first, "$argon2id$v=19$m=64,t=3,p=2$") {
		t.Errorf("got %s", first)
	}
	if first == second {
		t.Error("two hashes of one password are equal")
	}
}

// The reference implementation made this one: argon2 -id -m 16 -t 2 -p 1.
func TestAHashMadeElsewhereIsUnderstood(t *testing.T) {
	t.Parallel()
	const stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	ok, stale, err := newHasher(t, cheap).Verify(t.Context(), stored, "password")
	if !ok || !stale || err != nil {
		t.Errorf("Verify = %v, %v, %v", ok, stale, err)
	}
}

func TestAHashWithOtherParametersIsStale(t *testing.T) {
	t.Parallel()
	hasher := newHasher(t, user.Params{MemoryKiB: 32, Time: 2, Threads: 2})
	for _, old := range []user.Params{
		{MemoryKiB: 64, Time: 2, Threads: 2}, {MemoryKiB: 16, Time: 2, Threads: 2},
		{MemoryKiB: 32, Time: 1, Threads: 2}, {MemoryKiB: 32, Time: 2, Threads: 1},
	} {
		stored := hash(t, newHasher(t, old), "violet")
		if ok, stale, err := hasher.Verify(t.Context(), stored, "violet"); !ok || !stale || err != nil {
			t.Errorf("%+v: right password: %v, %v, %v", old, ok, stale, err)
		}
		if ok, stale, err := hasher.Verify(t.Context(), stored, "purple"); ok || stale || err != nil {
			t.Errorf("%+v: wrong password: %v, %v, %v", old, ok, stale, err)
		}
	}
}

// unusable are stored hashes that must not be run.
var unusable = map[string]string{
	"4 GiB":              "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"1000 passes":        "$argon2id$v=19$m=19456,t=1000,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"no pass":            "$argon2id$v=19$m=19456,t=0,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"no lane":            "$argon2id$v=19$m=19456,t=2,p=0$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"255 lanes":          "$argon2id$v=19$m=19456,t=2,p=255$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"256 lanes":          "$argon2id$v=19$m=19456,t=2,p=256$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"memory overflows":   "$argon2id$v=19$m=4294967304,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"memory negative":    "$argon2id$v=19$m=-8,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"too little memory":  "$argon2id$v=19$m=7,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"leading zero":       "$argon2id$v=19$m=08,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"plus":               "$argon2id$v=19$m=+8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"other order":        "$argon2id$v=19$t=1,m=8,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"one more parameter": "$argon2id$v=19$m=8,t=1,p=1,keyid=a$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"argon2i":            "$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"old version":        "$argon2id$v=16$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"no version":         "$argon2id$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"no key":             "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$",
	"no key at all":      "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA",
	"short key":          "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAA",
	"long key":           "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" + strings.Repeat("AAAA", 25),
	"no salt":            "$argon2id$v=19$m=8,t=1,p=1$$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"huge salt":          "$argon2id$v=19$m=8,t=1,p=1$" + strings.Repeat("AAAA", 1<<16) + "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"padded":             "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"trailing bits":      "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdB$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"line break":         "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRz\nb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"line end":           "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
	"bcrypt":             "$2y$10$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzabcdef",
	"plain text":         "violet tram seven umbrellas",
	"a space":            " ",
	"NUL":                "\x00",
	"dollars":            "$$$$$",
}

// USR-13.
func TestAnUnusableStoredHashCostsAWrongPasswordAndAlarms(t *testing.T) {
	t.Parallel()
	for name, stored := range unusable {
		hasher := newHasher(t, cheap)
		var ran []user.Params
		record(hasher, &ran)
		ok, stale, err := hasher.Verify(t.Context(), stored, "violet tram seven umbrellas")
		if ok || stale || !errors.Is(err, user.ErrHash) {
			t.Errorf("%s: Verify = %v, %v, %v; want %v", name, ok, stale, err, user.ErrHash)
			continue
		}
		if len(ran) != 1 || ran[0] != cheap {
			t.Errorf("%s: ran %v, want exactly %v", name, ran, cheap)
		}
		if name == "huge salt" && !strings.Contains(err.Error(), "longer than 256") {
			t.Errorf("%s: %.400s: it was read, want it refused for its length", name, err)
		}
		if text := err.Error(); strings.Contains(text, "c29tZX") || strings.Contains(text, "AAAA") || strings.Contains(text, "violet") || len(text) > 300 {
			t.Errorf("%s: the error repeats the hash or the password: %.400s", name, text)
		}
	}
}

func TestAnUnknownUserCostsTheWorkOfAWrongPassword(t *testing.T) {
	t.Parallel()
	hasher := newHasher(t, cheap)
	var ran []user.Params
	record(hasher, &ran)
	if err := hasher.VerifyNobody(t.Context(), "violet"); err != nil {
		t.Error(err)
	}
	if ok, stale, err := hasher.Verify(t.Context(), "", "violet"); ok || stale || err != nil {
		t.Errorf("no hash: %v, %v, %v", ok, stale, err)
	}
	if len(ran) != 2 || ran[0] != cheap || ran[1] != cheap {
		t.Errorf("ran %v, want %v twice", ran, cheap)
	}
}

// record notes the costs of every hash the hasher runs.
func record(hasher *user.Hasher, ran *[]user.Params) {
	hasher.WatchDerive(func(derive user.Derive) user.Derive {
		return func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte {
			*ran = append(*ran, user.Params{MemoryKiB: memory, Time: time, Threads: threads})
			return derive(password, salt, time, memory, threads, keyLen)
		}
	})
}

func TestCostsOutOfBoundsAreRefused(t *testing.T) {
	t.Parallel()
	for _, params := range []user.Params{
		{}, {MemoryKiB: 8, Time: 1}, {MemoryKiB: 8, Threads: 1}, {Time: 1, Threads: 1}, {MemoryKiB: 15, Time: 1, Threads: 2},
		{MemoryKiB: 1 << 20, Time: 1, Threads: 1}, {MemoryKiB: 1 << 19, Time: 3, Threads: 1}, {MemoryKiB: 19456, Time: 1000, Threads: 1},
		{MemoryKiB: 1 << 19, Time: 1 << 13, Threads: 1}, {MemoryKiB: 19456, Time: 2, Threads: 17},
	} {
		if _, err := user.NewHasher(params, 1, time.Second); err == nil {
			t.Errorf("%+v are accepted", params)
		}
	}
	if _, err := user.NewHasher(cheap, 0, time.Second); err == nil {
		t.Error("no slot is accepted")
	}
	for _, params := range []user.Params{{MemoryKiB: 19456, Time: 2, Threads: 1}, {MemoryKiB: 1 << 19, Time: 2, Threads: 16}} {
		if _, err := user.NewHasher(params, 1, time.Second); err != nil {
			t.Error(err)
		}
	}
}

func FuzzParsePHC(f *testing.F) {
	for _, text := range unusable {
		if len(text) < 1024 {
			f.Add(text)
		}
	}
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		again, err := user.CanonicalPHC(text)
		if err == nil && again != text {
			t.Errorf("%q is read as %q", text, again)
		}
	})
}
