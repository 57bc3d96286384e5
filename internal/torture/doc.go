// Package torture sends forged and damaged access tokens to a resource service and reports what the service wrongly
// accepted and wrongly refused.
//
// The [Catalogue] is data: each [Case] states what it sends, which rule it comes from, what it needs and what must
// happen. [Run] runs the cases against one URL, one request at a time, and returns a [Report].
//
// It protects three invariants. It gives a verdict only while the service is known to accept the good token, before,
// between and after the cases. It never counts a case that it could not run as passed. No token, whole or in part, gets
// into a report or an error.
//
// Good signatures come from a key that the service already trusts, or from the package's own issuer, which runs as long
// as the test; the package never asks a real issuer to sign anything except the one good token. It only calls the
// target, the given issuer, and the endpoints in that issuer's metadata.
package torture
