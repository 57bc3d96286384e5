package verifier

import (
	"testing"
	"time"
)

// TestADroppedVerifierAsksForNoKeys, even if those that a list names were never there.
func TestADroppedVerifierAsksForNoKeys(t *testing.T) {
	t.Parallel()
	set := newKeySet(defaults(), newLife(), nil)
	set.news = news{}.tell("nowhere").read(time.Now().Add(time.Minute))
	if _, wait, done := set.pursue(); done || wait <= 0 {
		t.Fatalf("wait %v, done %v: want the next reading to be waited for", wait, done)
	}
	set.life.dropped.Store(true)
	if _, _, done := set.pursue(); !done {
		t.Error("the keys are asked for after the verifier was dropped")
	}
}
