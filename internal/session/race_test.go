//go:build race

package session_test

// walkGens bounds the generations of every walk: few here, because the race
// detector makes each state ten times as dear, and the walk has one goroutine.
const walkGens = 3
