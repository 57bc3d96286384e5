package secret_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

func encode(octets string) string { return base64.StdEncoding.EncodeToString([]byte(octets)) }

// key gives 32 octets that differ for every n, as base64.
func key(n int) string { return encode(strings.Repeat(string(rune('A'+n)), 32)) }

func mustParse(t testing.TB, text string) secret.Roots {
	t.Helper()
	roots, err := secret.ParseRoots(text)
	if err != nil {
		t.Fatalf("ParseRoots: %v", err)
	}
	return roots
}

func TestParsedRootsEncodeToTheSameText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"1:" + key(0),
		"255:" + key(0) + ",7!:" + key(1) + ",1:" + key(2),
	} {
		if got := mustParse(t, text).Encode().Reveal(); got != text {
			t.Errorf("Encode() = %q, want %q", got, text)
		}
	}
	if got := mustParse(t, "\t1:"+key(0)+"\r\n").Encode().Reveal(); got != "1:"+key(0) {
		t.Errorf("space around the text changes the roots: %q", got)
	}
}

func TestTheFirstRootIsActive(t *testing.T) {
	t.Parallel()
	roots := mustParse(t, "9:"+key(0)+",1!:"+key(1))
	if got := roots.Active(); got.ID != 9 || got.Compromised {
		t.Errorf("Active() has id %d, compromised %v, want 9, false", got.ID, got.Compromised)
	}
	if got, ok := roots.Find(1); !ok || got.ID != 1 || !got.Compromised {
		t.Errorf("Find(1) = id %d, compromised %v, %v, want 1, true, true", got.ID, got.Compromised, ok)
	}
	if _, ok := roots.Find(2); ok {
		t.Error("Find(2) finds a root that is not there")
	}
}

func TestMalformedRootsAreRefused(t *testing.T) {
	t.Parallel()
	many := make([]string, 17)
	for i := range many {
		many[i] = fmt.Sprintf("%d:%s", i+1, key(i))
	}
	loose := strings.TrimRight(key(0), "=")
	last := loose[len(loose)-1]
	cases := []struct{ name, text, says string }{
		{"empty", " \n", "empty"},
		{"no id", key(0), "has no id"},
		{"id zero", "0:" + key(0), "1 to 255"},
		{"id too large", "256:" + key(0), "1 to 255"},
		{"id with a leading zero", "01:" + key(0), "1 to 255"},
		{"signed id", "+1:" + key(0), "1 to 255"},
		{"two marks", "1:" + key(1) + ",2!!:" + key(0), "1 to 255"},
		{"space inside", "1:" + key(0) + ", 2:" + key(1), "1 to 255"},
		{"unpadded", "1:" + loose, "padded base64"},
		{"url alphabet", "1:" + base64.URLEncoding.EncodeToString([]byte(strings.Repeat("\xff", 32))), "padded base64"},
		{"too short", "1:" + encode(strings.Repeat("A", 31)), "exactly 32"},
		{"too long", "1:" + encode(strings.Repeat("A", 33)), "exactly 32"},
		{"line break in the base64", "1:" + key(0)[:20] + "\n" + key(0)[20:], "padded base64"},
		{"loose last bits", "1:" + loose[:len(loose)-1] + string(last+1) + "=", "padded base64"},
		{"all zeros", "1:" + encode(strings.Repeat("\x00", 32)), "all zeros"},
		{"first compromised", "1!:" + key(0) + ",2:" + key(1), "comes first"},
		{"repeated id", "1:" + key(0) + ",1:" + key(1), "repeats id 1"},
		{"repeated secret", "1:" + key(0) + ",2:" + key(0), "same octets"},
		{"trailing comma", "1:" + key(0) + ",", "entry 2 of 2"},
		{"too many", strings.Join(many, ","), "at most 16"},
		{"far too long", strings.Repeat("A", 1<<20), "longer than"},
	}
	for _, c := range cases {
		roots, err := secret.ParseRoots(c.text)
		if err == nil || roots != nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %q does not say %q", c.name, err, c.says)
		}
		if strings.Contains(err.Error(), "AAAA") || strings.Contains(err.Error(), key(0)[:8]) {
			t.Errorf("%s: error repeats the value: %v", c.name, err)
		}
	}
	if _, err := secret.ParseRoots(strings.Join(many[:16], ",")); err != nil {
		t.Errorf("16 roots are refused: %v", err)
	}
}

func TestGeneratedRootsDiffer(t *testing.T) {
	t.Parallel()
	first, second := secret.GenerateRoots(), secret.GenerateRoots()
	if first.Encode().Equal(second.Encode()) {
		t.Error("two generated roots are the same")
	}
	if got := mustParse(t, first.Encode().Reveal()).Active().ID; got != 1 {
		t.Errorf("a generated root has id %d, want 1", got)
	}
}

// expand is RFC 5869 written out by hand for one block of output.
func expand(octets, info string) []byte {
	extract := hmac.New(sha256.New, make([]byte, sha256.Size))
	extract.Write([]byte(octets))
	block := hmac.New(sha256.New, extract.Sum(nil))
	block.Write([]byte(info + "\x01"))
	return block.Sum(nil)
}

func TestDeriveIsHKDFOverPurposeAndID(t *testing.T) {
	t.Parallel()
	octets := strings.Repeat("A", 32)
	root := mustParse(t, "200:"+encode(octets)).Active()
	got := root.Derive(secret.PurposeRefreshTokenMAC, 32)
	want := expand(octets, "mintmark refresh token mac v1\x00\xc8")
	if !secret.Equal(got, want) {
		t.Errorf("Derive = %x, want %x", got, want)
	}
}

func TestPurposesAndIDsGiveUnrelatedKeys(t *testing.T) {
	t.Parallel()
	one := mustParse(t, "1:"+key(0)).Active()
	two := mustParse(t, "2:"+key(0)).Active()
	mac := one.Derive(secret.PurposeRefreshTokenMAC, 32)
	if secret.Equal(mac, one.Derive(secret.PurposeKeySealing, 32)) {
		t.Error("two purposes share a key")
	}
	if secret.Equal(mac, two.Derive(secret.PurposeRefreshTokenMAC, 32)) {
		t.Error("two ids share a key")
	}
	if !secret.Equal(mac, one.Derive(secret.PurposeRefreshTokenMAC, 32)) {
		t.Error("one purpose has two keys")
	}
}

func TestDeriveRefusesToGiveAGuessableKey(t *testing.T) {
	t.Parallel()
	root := mustParse(t, "1:"+key(0)).Active()
	for name, derive := range map[string]func(){
		"zero root":  func() { secret.Root{}.Derive(secret.PurposeKeySealing, 32) },
		"no purpose": func() { root.Derive("", 32) },
		"no length":  func() { root.Derive(secret.PurposeKeySealing, 0) },
		"too long":   func() { root.Derive(secret.PurposeKeySealing, 255*32+1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			derive()
		}()
	}
}

// FuzzParseRoots asserts that what is accepted is canonical and what is refused
// is not repeated in the error.
func FuzzParseRoots(f *testing.F) {
	f.Add("1:" + key(0))
	f.Add("1:" + key(0) + ",2!:" + key(1))
	f.Add("1!:" + key(0))
	f.Add(key(0))
	f.Add(":,!")
	f.Fuzz(func(t *testing.T, text string) {
		roots, err := secret.ParseRoots(text)
		if err == nil {
			if got, want := roots.Encode().Reveal(), strings.TrimSpace(text); got != want {
				t.Fatalf("accepted a text that encodes differently: %q, want %q", got, want)
			}
			return
		}
		for entry := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ':' }) {
			if len(entry) >= encodedLength && strings.Contains(err.Error(), entry) {
				t.Fatalf("error repeats part of the text: %v", err)
			}
		}
	})
}

const encodedLength = 40
