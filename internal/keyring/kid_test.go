package keyring_test

import (
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"testing/cryptotest"
)

// TestAKIDNeverReadsAsAFlag, wherever an operator types it: one kid of 64 would. It has
// the keyring draw such a key first, and can't be parallel: randomness is the process's.
func TestAKIDNeverReadsAsAFlag(t *testing.T) {
	const likely = 26 // with Go 1.26, after which it takes a search
	for seed := uint64(likely); ; seed++ {
		cryptotest.SetGlobalRandom(t, seed)
		private, err := rsa.GenerateKey(rand.Reader, quick.Bits)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(thumbprint(&private.PublicKey), "-") {
			cryptotest.SetGlobalRandom(t, seed)
			break
		}
	}
	bubble(t, func(t *testing.T) {
		r := newRing(t)
		if err := r.Maintain(bound(t)); err != nil {
			t.Fatal(err)
		}
		if kid := r.keys[0].KID; strings.HasPrefix(kid, "-") {
			t.Errorf("kid %s", kid)
		}
	})
}
