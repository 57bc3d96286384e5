package keyring

import (
	"errors"
	"time"
)

// Spares is how many keys are drawn and wait to be used.
func (k *Keyring) Spares() int { return len(k.spare) }

// Decided is a verdict as far as a walk asks.
type Decided struct {
	Switch
	Waits       bool
	Add, Update []Stored
}

// Nothing is the verb of the owner.
var Nothing = nothing

// Decide decides on stored keys, the private halves of which are damaged where the test
// says so.
func Decide(stored, spare []Stored, damaged func(i int) bool, give func([]Key, time.Time) (Switch, error), now time.Time, policy Policy) (Decided, error) {
	t := table{stored: stored, halves: make(map[string]half), spare: spare}
	for i, key := range stored {
		if key.Sealed == nil || damaged(i) {
			t.halves[key.KID] = half{fault: errors.New("key " + key.KID + " does not open")}
		}
	}
	v, err := decide(t, give, now, policy)
	return Decided{v.Switch, v.wait > 0, v.add, v.update}, err
}
