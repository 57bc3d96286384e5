// Package verifier checks the access tokens of one issuer for one audience, offline, against the keys and the status lists
// that the issuer publishes.
//
//	v, err := verifier.New("https://auth.example.com", "https://auth.example.com") // the issuer and the audience
//	mux.Handle("GET /orders", v.Require()(orders))
//	token := verifier.FromContext(r.Context())
//
// Tokens of mintmark are for its issuer, unless MINTMARK_AUDIENCE names another audience, and have no scope yet.
//
// It protects one invariant: a [Token] exists only for a compact JWS of type at+jwt that the issuer signed with the key
// that the header names, by the one algorithm of that key (RS256, or others by option), for this audience, that has not
// expired, and whose session no status list has ended (RFC 9068 §4, RFC 8725 §3, draft-ietf-oauth-status-list). With
// [WithIntrospection], a Token also exists for a token that the issuer has just confirmed. If a verifier can't find out
// whether a token is valid, it does not report the token as invalid: [ErrKeysUnavailable] is not [ErrInvalidToken].
//
// The verifier finds the keys through the issuer's metadata (RFC 8414) when it sees the first token, keeps them in
// memory, and refreshes them in the background; see [Verifier.Verify] for the times. It follows a status list from the
// first token that names the list, by one request that waits at the issuer for changes, so that it refuses the tokens
// of an ended session within seconds. If the issuer is down, the verifier keeps working for a day; [StatusMode] says
// what happens to revocation meanwhile. It caches verified tokens, so that a repeated token costs no cryptography.
//
// Options make it check proofs of possession (RFC 9449), ask for another authentication of the user (RFC 9470),
// describe the service to clients (RFC 9728), and ask the issuer about tokens that are not JWTs (RFC 7662). It never
// accepts an unsigned token or an HMAC, never tries a key that the token does not name, and never follows a URL from a
// token to an origin other than the issuer's.
package verifier
