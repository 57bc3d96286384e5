package keyring

import (
	"errors"

	"github.com/mintmark-auth/mintmark/internal/clock"
)

// Spares is how many keys are drawn and wait to be used.
func (k *Keyring) Spares() int { return len(k.spare) }

// Decided is a verdict as far as a walk asks.
type Decided struct {
	Switch
	Waits       bool
	Add, Update []Stored
}

// Verb is what is wanted of the keys, by the owner or an operator.
type Verb = verb

// The verbs.
var (
	Nothing     = nothing
	Rotating    = rotating
	RotatingNow = rotatingNow
	Revoking    = revoking
)

// Decide decides on stored keys, the private halves of which are damaged where the test
// says so, at what the clocks say, which agree for as long as they do.
func Decide(stored, spare []Stored, damaged func(i int) bool, give Verb, said clock.Clocks, policy Policy) (Decided, error) {
	t := table{stored: stored, halves: make(map[string]half), spare: spare}
	for i, key := range stored {
		if key.Sealed == nil || damaged(i) {
			t.halves[key.KID] = half{fault: errors.New("key " + key.KID + " does not open")}
		}
	}
	v, err := decide(t, give, judge(said, true), policy)
	return Decided{v.Switch, v.wait > 0, v.add, v.update}, err
}
