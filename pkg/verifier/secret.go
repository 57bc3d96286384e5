package verifier

import "crypto/subtle"

// sameSecret compares what must not be found out letter by letter: hashes, thumbprints and the like. Nothing else in this
// package compares them.
func sameSecret(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
