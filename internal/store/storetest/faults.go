package storetest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Faulty is a durable store whose statements can be made to fail.
type Faulty struct {
	Durable
	Look Durable // the same records, through a store that stays whole; if nil, they are not checked
	// Fail has the nth statement from now on fail, and those behind it.
	Fail func(n int)
	// Spares reports whether the call does nothing that can fail so; nil: none is spared.
	Spares func(Call) bool
	// Heal ends that. It gives how many statements there were, and whether one failed.
	Heal func() (sent int, failed bool)
}

// mostStatements is more than any call sends.
const mostStatements = 50

// Faults is the contract of statements that fail: whichever it is, the call says so and
// stores nothing.
func Faults(t *testing.T, open func(testing.TB) Faulty) {
	for _, call := range Calls(t, open(t).Durable) {
		if strings.HasPrefix(call.Name, "Await") { // waits for a notice and sends next to nothing
			continue
		}
		t.Run(call.Name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			for n := 1; ; n++ {
				do := call.Prepare(t, store.Durable)
				var before records
				if call.Writes && store.Look != nil {
					before = lookAt(t, store.Look)
				}
				store.Fail(n)
				err := do(t.Context())
				sent, failed := store.Heal()
				switch {
				case failed && err == nil:
					t.Errorf("%s told success, and its statement %d had failed", call.Name, n)
				case !failed && err != nil:
					t.Errorf("%s: %v", call.Name, err)
				}
				if call.Writes && store.Look != nil && failed {
					if diff := cmp.Diff(lookAt(t, store.Look), before); diff != "" {
						t.Errorf("%s failed at statement %d with %v, and stored (-got +want):\n%s", call.Name, n, err, diff)
					}
				}
				if n == 1 && !failed && (store.Spares == nil || !store.Spares(call)) {
					t.Errorf("%s sent %d statements, and none of them failed", call.Name, sent)
				}
				if sent < n {
					return
				}
				if n == mostStatements {
					t.Fatalf("%s still sends a statement %d: where does it end?", call.Name, n)
				}
			}
		})
	}
}
