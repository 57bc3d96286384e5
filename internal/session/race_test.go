//go:build race

package session_test

// walkGens bounds the generations of every walk: few here, because the race
// detector makes each state ten times as dear. `make test` walks again without it.
const walkGens = 3
