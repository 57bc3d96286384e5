// Package zoo runs the kinds of verifiers that check mintmark's tokens in practice through 90 virtual days of
// rotations, emergencies and revocations of signing keys.
//
// It proves that no verifier fails to know a key that has been published for as long as the policy says: no kind
// rejects a good token after a scheduled rotation, an operator's rotation, or an emergency with a ripe standby; and
// after a compromise each kind drops the revoked key within its stated bound. docs/verify/rotation.md shows the
// measurements.
//
// Go libraries run for real, with their own defaults; the others are modelled from data, with the source of each
// number. The package is a module of its own, so that mintmark does not depend on the libraries. It contains only
// tests.
package zoo
