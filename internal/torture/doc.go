// Package torture fires forged and damaged access tokens at a resource service and tells what it wrongly accepted and
// what it wrongly refused.
//
// The [Catalogue] is data: each [Case] says what it sends, which rule it comes from, what it needs and what must
// happen. [Run] plays the cases one request at a time against one URL and returns a [Report].
//
// It protects three promises. A verdict is given only while the service is known to accept the good token: before,
// between and after the cases. A case that could not be played is never counted as passed. No token, whole or in part,
// gets into a report or an error.
//
// Good signatures come from a key that the service already trusts, or from an issuer of its own that lives as long as
// the run; it never asks a real issuer to sign anything but the one good token. It calls the target, the issuer that it
// is given, the endpoints that this one's metadata names, and nobody else.
package torture
