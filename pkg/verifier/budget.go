package verifier

import "time"

const (
	// maxSpent is how many answers that the issuer does not know a token may follow one another until no unknown token is
	// asked about, and spentEvery how often one is asked about after that: anybody can invent opaque tokens. Tokens that
	// were good before are asked about all the same.
	maxSpent   = 100
	spentEvery = 100 * time.Millisecond
)

// budget is what is left of such answers. The zero budget is full. It does no I/O.
type budget struct {
	full time.Time // when all of it is there again
}

// spend returns the budget after one answer more.
func (b budget) spend(now time.Time) budget {
	if b.full.Before(now) {
		b.full = now
	}
	return budget{b.full.Add(spentEvery)}
}

// isSpent reports whether there is nothing left, if asking more answers may still cost their part.
func (b budget) isSpent(now time.Time, asking int) bool {
	return b.full.Sub(now) > time.Duration(maxSpent-1-asking)*spentEvery
}
