package keyring_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/secret"
)

// vector is a key as a binary sealed it once, with what it was sealed for.
type vector struct {
	Root    string // the octets
	ID      byte   // of the root secret
	Issuer  string
	KID     string
	Alg     string
	Private []byte // DER, PKCS #8
	Sealed  []byte
}

// readVectors reads vectors that must never be regenerated: databases contain keys in this
// form.
func readVectors(t *testing.T) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/sealed.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) == 0 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	return vectors
}

func (v vector) roots(t *testing.T) secret.Roots {
	t.Helper()
	return parseRoots(t, rootText(int(v.ID), v.Root))
}

func parseRoots(t *testing.T, entries ...string) secret.Roots {
	t.Helper()
	roots, err := secret.ParseRoots(strings.Join(entries, ","))
	if err != nil {
		t.Fatal(err)
	}
	return roots
}

// form is how a key is sealed, written down a second time: it may differ in any part.
type form struct {
	version, id byte
	nonce       []byte
	root        string
	label       string   // of the key-encryption key
	bound       []string // issuer, kid, algorithm and purpose
	plain       []byte
}

func (v vector) form() form {
	return form{
		version: 1, id: v.ID, nonce: v.Sealed[2:14], root: v.Root, label: "mintmark signing key sealing v1",
		bound: []string{v.Issuer, v.KID, v.Alg, "signing-key"}, plain: v.Private,
	}
}

func (f form) seal(t *testing.T) []byte {
	t.Helper()
	kek, err := hkdf.Key(sha256.New, []byte(f.root), nil, f.label+"\x00"+string([]byte{f.id}), 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	var bound []byte
	for _, field := range f.bound { // each behind its length in four octets
		bound = append(bound, 0, 0, byte(len(field)>>8), byte(len(field)))
		bound = append(bound, field...)
	}
	sealed := slices.Concat([]byte{f.version, f.id}, f.nonce)
	return aead.Seal(sealed, f.nonce, f.plain, bound)
}

func TestWhatAnEarlierBinarySealedOpens(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		private, err := keyring.NewSealer(v.Issuer, v.roots(t)).Open(v.KID, v.Alg, v.Sealed)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil || !slices.Equal(der, v.Private) {
			t.Errorf("%s: another key, %v", v.KID, err)
		}
		if !slices.Equal(v.form().seal(t), v.Sealed) {
			t.Errorf("%s: its form is not the one written down here", v.KID)
		}
	}
}

// TestWhatIsSealedNowHasTheSameForm, so that an earlier binary opens it.
func TestWhatIsSealedNowHasTheSameForm(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		private, err := x509.ParsePKCS8PrivateKey(v.Private)
		if err != nil {
			t.Fatal(err)
		}
		other := parseRoots(t, rootText(int(v.ID), v.Root), rootText(99, strings.Repeat("z", 32)))
		nonces := make(map[string]bool)
		for range 3 {
			sealed, err := keyring.NewSealer(v.Issuer, other).Seal(v.KID, v.Alg, private.(*rsa.PrivateKey))
			if err != nil {
				t.Fatal(err)
			}
			now := v
			now.Sealed = sealed
			if !slices.Equal(now.form().seal(t), sealed) {
				t.Errorf("%s: sealed in another form: %x", v.KID, sealed[:14])
			}
			nonces[string(sealed[2:14])] = true
		}
		if len(nonces) != 3 {
			t.Errorf("%s: a nonce was used twice under one key", v.KID)
		}
	}
}

// TestASealedKeyOpensForNothingElse changes each thing that it is bound to.
func TestASealedKeyOpensForNothingElse(t *testing.T) {
	t.Parallel()
	v := readVectors(t)[0]
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	notRSA, err := x509.MarshalPKCS8PrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*form){
		"the version":              func(f *form) { f.version = 2 },
		"no version":               func(f *form) { f.version = 0 },
		"the id of a root secret":  func(f *form) { f.id = 99 },
		"the id of none":           func(f *form) { f.id = 3 },
		"the root secret":          func(f *form) { f.root = strings.Repeat("z", 32) },
		"the label":                func(f *form) { f.label = "mintmark refresh token mac v1" },
		"the issuer":               func(f *form) { f.bound[0] += "/" },
		"the kid":                  func(f *form) { f.bound[1] = "other" },
		"the algorithm":            func(f *form) { f.bound[2] = "PS256" },
		"the purpose":              func(f *form) { f.bound[3] = "signing-keys" },
		"no purpose":               func(f *form) { f.bound = f.bound[:3] },
		"the order":                func(f *form) { f.bound[0], f.bound[1] = f.bound[1], f.bound[0] },
		"where the kid begins":     func(f *form) { f.bound[0], f.bound[1] = f.bound[0]+f.bound[1][:1], f.bound[1][1:] },
		"a key that is no RSA key": func(f *form) { f.plain = notRSA },
		"what is no key":           func(f *form) { f.plain = []byte("key") },
	} {
		f := v.form()
		f.bound = slices.Clone(f.bound)
		change(&f)
		wantUnsealable(t, name, v, f.seal(t))
	}
	for n := range v.Sealed {
		edited := slices.Clone(v.Sealed)
		edited[n] ^= 1
		wantUnsealable(t, "an octet", v, edited)
		wantUnsealable(t, "the length", v, v.Sealed[:n])
	}
	wantUnsealable(t, "the length", v, append(slices.Clone(v.Sealed), 0))
}

func wantUnsealable(t *testing.T, what string, v vector, sealed []byte) {
	t.Helper()
	sealer := keyring.NewSealer(v.Issuer, parseRoots(t, rootText(int(v.ID), v.Root), rootText(99, strings.Repeat("z", 32))))
	if key, err := sealer.Open(v.KID, v.Alg, sealed); !errors.Is(err, keyring.ErrUnsealable) || !strings.Contains(err.Error(), v.KID) || key != nil {
		t.Errorf("%s is another: %v, want ErrUnsealable that names the key", what, err)
	}
}

// TestAMissingRootSecretIsNamed: it is the operator's to give back.
func TestAMissingRootSecretIsNamed(t *testing.T) {
	t.Parallel()
	v := readVectors(t)[0]
	_, err := keyring.NewSealer(v.Issuer, parseRoots(t, rootText(99, strings.Repeat("z", 32)))).Open(v.KID, v.Alg, v.Sealed)
	if want := "sealed with root secret 7, which MINTMARK_ROOT_SECRET lacks"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestTheSecondOctetNamesTheRootThatSealedAKey(t *testing.T) {
	t.Parallel()
	for id, sealed := range map[int][]byte{0: {1}, 5: {1, 5}, 7: {1, 7, 0}} {
		if got := (keyring.Stored{Sealed: sealed}).SealedBy(); int(got) != id {
			t.Errorf("%v is sealed by %d, want %d", sealed, got, id)
		}
	}
}
