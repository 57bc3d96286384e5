package user

import (
	"slices"
	"time"
)

// Derive stands in for argon2.IDKey.
type Derive = func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte

// WatchDerive makes the hasher derive keys through watch, which gets the true
// function.
func (h *Hasher) WatchDerive(watch func(Derive) Derive) { h.derive = watch(h.derive) }

// Queued is the number of callers that wait for a slot.
func (h *Hasher) Queued() int { return h.turns.queued() }

// WaitersPerSlot is the length of the queue for each slot.
const WaitersPerSlot = waitersPerSlot

// CanonicalPHC reads a stored hash and writes it again.
func CanonicalPHC(text string) (string, error) {
	hash, err := parsePHC(text)
	return hash.String(), err
}

// CommonWords are the entries of the embedded list.
func CommonWords() []string {
	var words []string
	for word := range parseCommonPasswords(commonPasswordsText).words {
		words = append(words, word)
	}
	return words
}

// CommonPasswordsText is the embedded list as it stands.
func CommonPasswordsText() string { return commonPasswordsText }

// RefusalAfter is how long after its hash began the last of refusals is told whose hashes took so long.
func RefusalAfter(params Params, took ...time.Duration) time.Duration {
	var m metronome
	var told time.Time
	for _, t := range took {
		told = m.note(params, time.Unix(0, 0), t)
	}
	return told.Sub(time.Unix(0, 0))
}

// Leaves is which of those who wait has to leave.
func Leaves(waiting []Claim) int { return leaves(waiting) }

// Order is in which order those who wait are served, if nobody joins them.
func Order(waiting []Claim) []int {
	var order []int
	s, left := served{}, slices.Clone(waiting)
	places := make([]int, len(waiting))
	for i := range places {
		places[i] = i
	}
	for turn := 1; len(left) > 0; turn++ {
		at := s.next(left)
		c := left[at]
		order = append(order, places[at])
		left, places = slices.Delete(left, at, at+1), slices.Delete(places, at, at+1)
		s = s.after(c, turn, left)
	}
	return order
}
