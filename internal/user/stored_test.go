package user_test

import (
	"encoding/base64"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/mintmark-auth/mintmark/internal/user"
)

// usual are the costs that mintmark hashes with unless it is told otherwise.
var usual = user.Params{MemoryKiB: 19456, Time: 2, Threads: 1}

// TestAStoredPasswordHashVerifiesForever reads the hashes of testdata, made by earlier
// versions and by others.
func TestAStoredPasswordHashVerifiesForever(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/phc.txt")
	if err != nil {
		t.Fatal(err)
	}
	hasher, read := newHasher(t, usual), 0
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) != 3 {
			t.Fatalf("line %q", line)
		}
		read++
		password, current, stored := fields[0], fields[1] == "yes", fields[2]
		if ok, stale, err := hasher.Verify(t.Context(), stored, password); !ok || stale == current || err != nil {
			t.Errorf("%s: Verify = %v, stale %v, %v; want it to open, stale %v", stored, ok, stale, err, !current)
		}
		if ok, _, err := hasher.Verify(t.Context(), stored, password+" "); ok || err != nil {
			t.Errorf("%s: another password: %v, %v", stored, ok, err)
		}
	}
	if read != 7 {
		t.Errorf("%d hashes were read, want 7", read)
	}
}

// TestAHashHas32OctetsASaltOf16AndTheConfiguredCosts, which its text alone does not prove.
func TestAHashHas32OctetsASaltOf16AndTheConfiguredCosts(t *testing.T) {
	t.Parallel()
	hasher := newHasher(t, user.Params{MemoryKiB: 64, Time: 3, Threads: 2})
	stored := hash(t, hasher, "violet")
	fields := strings.Split(stored, "$")
	if len(fields) != 6 || fields[3] != "m=64,t=3,p=2" {
		t.Fatalf("stored %s, want m=64,t=3,p=2", stored)
	}
	salt, err := base64.RawStdEncoding.DecodeString(fields[4])
	if err != nil || len(salt) != 16 {
		t.Errorf("a salt of %d octets, %v; want 16", len(salt), err)
	}
	want := argon2.IDKey([]byte("violet"), salt, 3, 64, 2, 32)
	if got, err := base64.RawStdEncoding.DecodeString(fields[5]); err != nil || !slices.Equal(got, want) {
		t.Errorf("the key is %x, %v; want %x", got, err, want)
	}
}

// TestTheBoundsOfAStoredHashAreExact: what lies on them is read, what lies beyond is not.
func TestTheBoundsOfAStoredHashAreExact(t *testing.T) {
	t.Parallel()
	text := func(params string, salt, key int) string {
		octets := func(n int) string { return base64.RawStdEncoding.EncodeToString(make([]byte, n)) }
		return "$argon2id$v=19$" + params + "$" + octets(salt) + "$" + octets(key)
	}
	for _, c := range []struct {
		params    string
		salt, key int
		ok        bool
	}{
		{"m=8,t=1,p=1", 8, 16, true}, {"m=8,t=1,p=1", 7, 16, false}, {"m=8,t=1,p=1", 8, 15, false},
		{"m=8,t=1,p=1", 64, 64, true}, {"m=8,t=1,p=1", 65, 64, false}, {"m=8,t=1,p=1", 64, 65, false},
		{"m=7,t=1,p=1", 16, 32, false}, {"m=16,t=1,p=2", 16, 32, true}, {"m=15,t=1,p=2", 16, 32, false},
		{"m=128,t=1,p=16", 16, 32, true}, {"m=136,t=1,p=17", 16, 32, false}, {"m=8,t=1,p=0", 16, 32, false},
		{"m=524288,t=2,p=1", 16, 32, true}, {"m=524289,t=1,p=1", 16, 32, false}, {"m=524288,t=3,p=1", 16, 32, false},
		{"m=8,t=131072,p=1", 16, 32, true}, {"m=8,t=131073,p=1", 16, 32, false}, {"m=8,t=0,p=1", 16, 32, false},
	} {
		if _, err := user.CanonicalPHC(text(c.params, c.salt, c.key)); (err == nil) != c.ok {
			t.Errorf("%s with %d octets of salt and %d of key: %v; want it read: %v", c.params, c.salt, c.key, err, c.ok)
		}
	}
}
