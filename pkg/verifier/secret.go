package verifier

import "crypto/subtle"

// sameSecret compares two values in constant time, so that an attacker can't find one out byte by byte. Every
// comparison of hashes, thumbprints and the like in this package uses it.
func sameSecret(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
