// Package storm proves what the rules of package session promise when the world
// is unkind: many clients over several replicas, while processes are killed,
// stores are emptied, primaries are replaced and connections are cut, stalled and
// slowed down. It records what every client saw and checks the whole history
// afterwards. It holds no code of the product.
//
// An orderly client (docs/rotation.md) keeps one copy of its newest token for
// all its tabs, starts no refresh with a newer token while an older one is in
// flight, and retries within the grace window. It is never logged out unless its
// session was revoked or a thief used one of its tokens.
//
// On a quiet day, behind the balancer of deploy, it loses no request while replicas are restarted.
//
// Strangers who open thousands of connections shut nobody out, and take little memory.
//
// A short run, which shows each fault once, is part of `go test`; MINTMARK_TEST_STORM=30m makes it long, and
// MINTMARK_TEST_STORM_SEED repeats the choices of an earlier run (not their timing).
// The build tag netns, which `make storm-long` sets, adds promotions over links of
// the kernel's, in network namespaces; they take root on Linux.
package storm
