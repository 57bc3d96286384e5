// Package verifier checks the access tokens of one issuer for one audience, offline, against the keys and the status lists
// that the issuer publishes.
//
//	v, err := verifier.New("https://auth.example.com", "https://orders.example.com")
//	mux.Handle("GET /orders", v.Require("orders:read")(orders))
//	token := verifier.FromContext(r.Context())
//
// It protects one invariant: a [Token] exists only for a compact JWS that the issuer signed under the very key its header
// names and by the one algorithm of that key (RS256, others by option), of type at+jwt, for this audience, within its time,
// of a session that no status list has ended (RFC 9068 §4, RFC 8725 §3, draft-ietf-oauth-status-list); or, with
// [WithIntrospection], for a token of which the issuer has just said so. What a verifier could not find out is never
// reported as a bad token: [ErrKeysUnavailable] is not [ErrInvalidToken].
//
// The keys are found through the issuer's metadata (RFC 8414) when the first token comes, kept in memory, and refreshed
// in the background; see [Verifier.Verify] for the times. A status list is followed from the first token that names it, by
// one request that waits at the issuer for news, so that a session which ends there ends here within seconds. A down
// issuer stops nothing for a day; see [StatusMode] for what becomes of revocation meanwhile. A token that was verified is
// remembered, and costs no cryptography when it comes again.
//
// By option it checks proofs of possession (RFC 9449), asks for another authentication of the user (RFC 9470), describes the
// service to clients (RFC 9728), and asks the issuer about tokens that are not JWTs (RFC 7662). It never accepts an unsigned
// token or an HMAC, tries keys that a token did not name, or follows a URL that a token brings to another origin than the
// issuer's.
package verifier
