//go:build !race

package session_test

// walkGens bounds the generations of every walk.
const walkGens = gens
