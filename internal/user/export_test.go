package user

import "time"

// Derive stands in for argon2.IDKey.
type Derive = func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte

// WatchDerive makes the hasher derive keys through watch, which gets the true
// function.
func (h *Hasher) WatchDerive(watch func(Derive) Derive) { h.derive = watch(h.derive) }

// Queued is the number of callers that wait for a slot.
func (h *Hasher) Queued() int { return len(h.queue) }

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
