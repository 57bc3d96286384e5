// Package verifier checks the access tokens of one issuer for one audience, offline, against the keys that the issuer
// publishes.
//
//	v, err := verifier.New("https://auth.example.com", "https://orders.example.com")
//	mux.Handle("GET /orders", v.Require("orders:read")(orders))
//	token := verifier.FromContext(r.Context())
//
// It protects one invariant: a [Token] exists only for a compact JWS that the issuer signed with RS256 under the very
// key its header names, of type at+jwt, for this audience, within its time (RFC 9068 §4, RFC 8725 §3). What a verifier
// could not find out is never reported as a bad token: [ErrKeysUnavailable] is not [ErrInvalidToken].
//
// The keys are found through the issuer's metadata (RFC 8414) when the first token comes, kept in memory, and refreshed
// in the background; see [Verifier.Verify] for the times. A down issuer stops nothing for a day.
//
// It does not follow revocation lists, check proofs of possession (a token with a cnf claim is refused rather than taken
// for a bearer token, RFC 7800), accept any other algorithm, or try keys that a token did not name.
package verifier
