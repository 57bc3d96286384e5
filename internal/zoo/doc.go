// Package zoo keeps the kinds of verifiers that check mintmark's tokens out there, and leads them through 90 virtual
// days of rotations, emergencies and revocations of signing keys.
//
// It protects the promise that a key which was published for as long as the policy says is never met unknown: no kind
// rejects a good token over a scheduled rotation, an operator's, or an emergency with a ripe standby; and after a
// compromise each kind drops the revoked key within its stated bound. docs/verify/rotation.md shows what is measured.
//
// Go libraries run for real, on their own defaults; what can't run here is data, with the source of each number. The
// package is a module of its own, so that the libraries of others don't enter mintmark's. It holds nothing but tests.
package zoo
