package zoo_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/keyring"
)

const (
	flushAfter = time.Hour // the default of keys revoke
	// nextToken is when the last busy service has met the next token, under a new key say, at the latest.
	nextToken = longestPause + lifetime
	forever   = 365 * 24 * time.Hour
)

// kind is a kind of verifier, and what is promised of it.
type kind struct {
	name    string
	fetches string // its ways, in words
	open    func(context.Context, *http.Client) (verify, error)
	// unripe is how long after it first met a key that nobody had time to learn it may still refuse it, if one replica
	// was cut off for a minute.
	unripe bound
	// drops is how long after its revocation a key may still be accepted.
	drops bound
	// newborn says that the kind surely refuses good tokens when a key signs as soon as it is born.
	newborn bool
	busy    int // how many busy ones there are, if more than one
}

// bound is a duration and where it comes from.
type bound struct {
	at   time.Duration
	text string // none where at says it all
}

func (b bound) String() string {
	if b.text == "" {
		return short(b.at)
	}
	return short(b.at) + ": " + b.text
}

// old is how old the JWKS of a replica may be: it is cut off, but still asked.
const old = keyring.MaxAge

var kinds = []kind{
	{
		name: "mintmark `pkg/verifier`", open: ours, fetches: "`max-age`, 5 min; an unknown kid at once, every 10 s at most",
		unripe: bound{at: old + 10*time.Second}, drops: bound{5*time.Minute + old, "`max-age`"},
	},
	{
		name: "coreos/go-oidc v3", open: goOIDC, fetches: "on an unknown kid only",
		unripe: bound{at: old}, drops: bound{flushAfter + nextToken, "`--flush-after` and the next token"},
	},
	{
		name: "zitadel/oidc v3 `rp`", open: zitadelRP, fetches: "on an unknown kid only",
		unripe: bound{at: old}, drops: bound{flushAfter + nextToken, "`--flush-after` and the next token"},
	},
	{
		name: "lestrrat jwx v2 `jwk.Cache`", open: jwxCache, fetches: "15 min, looked at every 15 min; nothing on an unknown kid",
		unripe: bound{at: 30*time.Minute + old}, drops: bound{30*time.Minute + old, "its interval, twice"}, newborn: true,
	},
	{
		name: "MicahParks/keyfunc v3", open: keyfuncs, fetches: "1 h; an unknown kid at once, every 5 min at most",
		unripe: bound{at: 5*time.Minute + old}, drops: bound{time.Hour + old, "its interval"},
	},
	{
		name: "auth0/go-jwt-middleware v3", open: auth0Middleware, fetches: "15 min; nothing on an unknown kid",
		unripe: bound{at: 15*time.Minute + old}, drops: bound{15*time.Minute + old, "its cache"}, newborn: true,
	},
	modelled(aspNet, kind{
		fetches: "12 h, behind; an unknown kid for the next request, every 5 min at most",
		unripe:  bound{5*time.Minute + nextToken, "5 min and the next token"}, newborn: true,
		drops: bound{flushAfter + nextToken + 5*time.Minute + time.Hour, "`--flush-after`, the next token, and 1 h of the last good set"},
	}),
	modelled(spring, kind{fetches: "5 min; an unknown kid at once", unripe: bound{at: old}, drops: bound{5*time.Minute + old, "its cache"}}),
	modelled(nimbus, kind{fetches: "5 min; an unknown kid at once, every 30 s at most", unripe: bound{at: old + 30*time.Second}, drops: bound{5*time.Minute + old, "its cache"}}),
	modelled(jose, kind{fetches: "10 min; an unknown kid at once, every 30 s at most", unripe: bound{at: old + 30*time.Second}, drops: bound{10*time.Minute + old, "its cache"}}),
	modelled(pyJWT, kind{fetches: "5 min; an unknown kid at once", unripe: bound{at: old}, drops: bound{5*time.Minute + old, "its cache"}}),
	modelled(pyJWTKeeping, kind{fetches: "a key once found: never again", unripe: bound{at: old}, drops: bound{forever, "restart it"}}),
	modelled(envoy, kind{
		fetches: "10 min; nothing on an unknown kid", unripe: bound{at: 10*time.Minute + old}, drops: bound{10*time.Minute + old, "its cache"}, newborn: true,
	}),
	modelled(envoyAsync, kind{
		fetches: "10 min, by a timer; nothing on an unknown kid", unripe: bound{at: 10*time.Minute + old}, drops: bound{10*time.Minute + old, "its cache"}, newborn: true,
	}),
	modelled(istio, kind{
		fetches: "20 min, by a timer; nothing on an unknown kid", unripe: bound{at: 20*time.Minute + old}, drops: bound{20*time.Minute + old, "its interval"}, newborn: true,
	}),
}

func modelled(m model, k kind) kind {
	k.name, k.open = m.name, simulated(m)
	k.busy = 4 // they cost nothing, and each is at another point of its interval
	return k
}

// animal is one verifier of a kind, in a service of its own.
type animal struct {
	kind   *kind
	verify verify
	busy   bool      // it sees every token; another one a few a day
	awake  time.Time // before, it sees none

	mu   sync.Mutex // guards all below
	seen record
	met  map[string]time.Time // when it first got a good token under a key
}

// record is what became of tokens.
type record struct {
	accepted, rejected [causes]int
	blind              [causes]time.Duration // how long after it met a key it last refused a good token under it
	first              [causes]error         // of the rejected
	stolen             time.Duration         // how long after a revocation a token under the revoked key was last accepted
}

func (r *record) add(other record) {
	for c := range causes {
		r.accepted[c] += other.accepted[c]
		r.rejected[c] += other.rejected[c]
		r.blind[c] = max(r.blind[c], other.blind[c])
		if r.first[c] == nil {
			r.first[c] = other.first[c]
		}
	}
	r.stolen = max(r.stolen, other.stolen)
}

// fill opens the zoo: of each kind one or some that are always busy, and a quiet one.
func fill(t *testing.T, a *authority, seed uint64) []*animal {
	t.Helper()
	var zoo []*animal
	for i := range kinds {
		busy := max(1, kinds[i].busy)
		for n := range busy + 1 {
			chance := rand.New(rand.NewPCG(seed, uint64(i*100+n))) // a story that can be told again
			client := &http.Client{Transport: &wire{authority: a, chance: chance}}
			v, err := kinds[i].open(t.Context(), client)
			if err != nil {
				t.Fatalf("%s: %v", kinds[i].name, err)
			}
			awake := time.Now().Add(time.Duration(chance.Int64N(int64(24 * time.Hour))))
			zoo = append(zoo, &animal{kind: &kinds[i], verify: v, busy: n < busy, awake: awake, met: make(map[string]time.Time)})
		}
	}
	return zoo
}
