package verifier

import "time"

// newsClaim is where a status list of mintmark names the key set that its issuer publishes: base64url of the SHA-256 of
// the JWKS. Other issuers have no such claim.
const newsClaim = "https://github.com/mintmark-auth/mintmark/jwks-sha256"

const (
	// newsTries is how many answers with another key set than a list names end the search for it. The first may come from a
	// replica that is behind the one that signed the list. A reading that fails does not count: it is repeated until keys come.
	newsTries = 5
	// newsApart passes between two of these.
	newsApart = time.Second
	// newsBurst is how many readings may follow one another at newsApart. Beyond them there is one per cool-down, whatever
	// the lists name.
	newsBurst = 5
)

// news is which key set the status lists name, and when the keys may be read because of it: soon after each change, and
// rarely where the lists keep naming sets that are not served. It does no I/O.
type news struct {
	named  string    // by the list that was read last
	tried  int       // answers for it so far
	full   time.Time // when the whole burst is there again
	lastAt time.Time // when the keys were last read because of a list
}

// tell notes the key set that a list names.
func (n news) tell(name string) news {
	if name != n.named {
		n.named, n.tried = name, 0
	}
	return n
}

// due returns how long to wait until the keys are read, given the set that is known; never is true if they need not be
// read for this list.
func (n news) due(known string, now time.Time) (wait time.Duration, never bool) {
	if n.named == "" || n.named == known || n.tried >= newsTries {
		return 0, true
	}
	wait = n.lastAt.Add(newsApart).Sub(now)
	if left := n.full.Sub(now); left > (newsBurst-1)*cooldown {
		wait = max(wait, left-(newsBurst-1)*cooldown)
	}
	return max(wait, 0), false
}

// read notes that the keys are read at now.
func (n news) read(now time.Time) news {
	n.lastAt = now
	if n.full.Before(now) {
		n.full = now
	}
	n.full = n.full.Add(cooldown)
	return n
}

// answered notes that keys were read.
func (n news) answered() news {
	n.tried++
	return n
}
