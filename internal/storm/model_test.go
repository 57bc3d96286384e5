package storm_test

import (
	"cmp"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// model is what the rules say of one session of a client that may not skip, seen
// from the outside. It is small on purpose: a second opinion, not a copy of Decide.
type model struct {
	revoked bool
	lost    bool   // the store just lost writes; it may hold any earlier state, or none
	torn    bool   // there are two stores, and the next call may see either; lost as well
	cur     uint32 // 0 while lost
	prev    uint32
	top     uint32        // the highest cur there ever was; above cur only after a loss
	since   time.Duration // cur was issued no earlier than this
}

// never is the return of a revocation whose outcome is unknown: it may have its effect late.
const never = time.Duration(math.MaxInt64)

// clockTolerance is how far the rounding of clocks may shift the end of grace.
const clockTolerance = time.Second

func sessionModel() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{model{cur: 1, prev: 1, top: 1}} },
		Step: func(state, input, _ any) []any {
			var next []any
			for _, s := range state.(model).after(input.(call)) {
				next = append(next, s)
			}
			return next
		},
		Hash: func(state any) uint64 {
			s := state.(model)
			return uint64(s.cur)<<32 ^ uint64(s.top)<<8 ^ uint64(s.since)
		},
	}
	return m.ToModel()
}

// after is every state that the call may have led to; none means that it cannot
// have gone as its caller saw it.
func (s model) after(c call) []model {
	switch {
	case c.verb == loss:
		return []model{{revoked: s.revoked, lost: true, top: s.top}}
	case c.verb == tear:
		return []model{{revoked: s.revoked, lost: true, torn: true, top: s.top}}
	case c.verb == revoke && c.outcome == granted:
		return []model{s.ended()}
	case c.verb == revoke:
		return []model{s, s.ended()}
	case c.outcome == granted:
		return s.granting(c)
	case c.outcome == refused:
		return s.refusing(c)
	default:
		return slices.Concat([]model{s}, s.granting(c), s.refusing(c))
	}
}

func (s model) ended() model { return model{revoked: true} }

// granting: only cur rotates, prev repeats, and after a loss anything may heal.
func (s model) granting(c call) []model {
	switch {
	case s.revoked:
		return nil
	case s.torn:
		return []model{{lost: true, torn: true, top: max(s.top, c.presented+1)}}
	case s.lost: // how long ago cur was issued is not known either
		return []model{{cur: c.presented + 1, prev: c.presented, top: max(s.top, c.presented+1)}}
	case c.presented >= s.cur && c.presented <= s.top:
		return []model{{cur: c.presented + 1, prev: c.presented, top: max(s.top, c.presented+1), since: c.began}}
	case c.presented == s.prev && s.prev < s.cur:
		return []model{s}
	}
	return nil
}

// refusing: the session is over, or this was a replay and ended it. The newest
// token is never refused, nor is the one before within grace.
func (s model) refusing(c call) []model {
	repeatable := !s.lost && c.presented == s.prev && c.until() < s.since+grace-clockTolerance
	switch {
	case s.revoked:
		return []model{s}
	case s.lost && c.presented < s.top, !s.lost && c.presented < s.cur && !repeatable:
		return []model{s.ended()}
	}
	return nil
}

// until is when a call surely had its effect, if it has one at all.
func (c call) until() time.Duration {
	switch {
	case c.outcome != unknown:
		return c.ended
	case c.verb == refresh:
		return c.ended + abandoned
	default:
		return never
	}
}

// lossesAmong leaves out the losses that a session cannot tell of: those over
// before its first refresh, when there was nothing to lose, and those after its last
// answer. What was torn before, and is still, stays.
func lossesAmong(calls, losses []call) []call {
	first, last := never, time.Duration(0)
	for _, c := range calls {
		first = min(first, c.began)
		if c.outcome != unknown {
			last = max(last, c.ended)
		}
	}
	var among []call
	for _, l := range losses {
		if l.verb == loss && l.ended < first {
			among = nil // it mended the tears before
		} else if l.began <= last {
			among = append(among, l)
		}
	}
	return among
}

// judge holds one session's history against the model.
func judge(calls, losses []call, patience time.Duration) porcupine.CheckResult {
	var operations []porcupine.Operation
	for _, c := range slices.Concat(calls, lossesAmong(calls, losses)) {
		operations = append(operations, porcupine.Operation{Input: c, Call: int64(c.began), Return: int64(c.until())})
	}
	slices.SortFunc(operations, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	return porcupine.CheckOperationsTimeout(sessionModel(), operations, patience)
}

func TestOnlyLossesInASessionsLifetimeCount(t *testing.T) {
	t.Parallel()
	at := func(v verb, seconds int) call {
		moment := time.Duration(seconds) * time.Second
		return call{verb: v, presented: 1, outcome: granted, began: moment, ended: moment}
	}
	calls := []call{at(refresh, 10), at(refresh, 20), {verb: refresh, began: 20 * time.Second, ended: 30 * time.Second}}
	cases := map[string]struct{ losses, want []call }{
		"before":                     {[]call{at(loss, 5)}, nil},
		"within":                     {[]call{at(loss, 15)}, []call{at(loss, 15)}},
		"after":                      {[]call{at(loss, 25)}, nil},
		"torn before, mended":        {[]call{at(tear, 3), at(loss, 5)}, nil},
		"torn before, mended within": {[]call{at(loss, 1), at(tear, 5), at(loss, 15)}, []call{at(tear, 5), at(loss, 15)}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := lossesAmong(calls, c.losses); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestTheModelDistinguishesGoodHistoriesFromBad(t *testing.T) {
	t.Parallel()
	at := func(c call, began, ended int) call {
		c.began, c.ended = time.Duration(began)*time.Second, time.Duration(ended)*time.Second
		return c
	}
	gives := func(g uint32) call { return call{verb: refresh, presented: g, outcome: granted, issued: g + 1} }
	refuses := func(g uint32) call { return call{verb: refresh, presented: g, outcome: refused} }
	unheard := func(g uint32) call { return call{verb: refresh, presented: g} }
	ended, asked := call{verb: revoke, outcome: granted}, call{verb: revoke}
	flushed, torn := call{verb: loss, outcome: granted}, call{verb: tear, outcome: granted}
	seconds := int(grace / time.Second)

	cases := map[string]struct {
		calls []call
		want  porcupine.CheckResult
	}{
		"each token once":                       {[]call{at(gives(1), 1, 2), at(gives(2), 3, 4), at(gives(3), 5, 6)}, porcupine.Ok},
		"the same token twice at once":          {[]call{at(gives(1), 1, 3), at(gives(1), 2, 4), at(gives(2), 5, 6)}, porcupine.Ok},
		"a repeat":                              {[]call{at(gives(1), 1, 2), at(gives(1), 3, 4)}, porcupine.Ok},
		"a fork":                                {[]call{at(gives(1), 1, 2), at(gives(2), 3, 4), at(gives(1), 5, 6)}, porcupine.Illegal},
		"a fork after a loss":                   {[]call{at(gives(1), 1, 2), at(gives(2), 3, 4), at(flushed, 5, 6), at(gives(1), 7, 8)}, porcupine.Ok},
		"an old token first after a loss":       {[]call{at(gives(1), 1, 2), at(gives(2), 3, 4), at(flushed, 5, 6), at(gives(1), 7, 8), at(gives(3), 9, 10), at(gives(1), 11, 12)}, porcupine.Illegal},
		"healed after an old one":               {[]call{at(gives(1), 1, 2), at(gives(2), 3, 4), at(flushed, 5, 6), at(gives(1), 7, 8), at(gives(3), 9, 10)}, porcupine.Ok},
		"a fork before a loss":                  {[]call{at(gives(1), 1, 2), at(gives(2), 3, 4), at(gives(1), 5, 6), at(flushed, 7, 8)}, porcupine.Illegal},
		"a second fork after one loss":          {[]call{at(gives(1), 1, 2), at(gives(2), 3, 4), at(flushed, 5, 6), at(gives(2), 7, 8), at(gives(3), 9, 10), at(gives(1), 11, 12)}, porcupine.Illegal},
		"a replay after a loss was healed":      {[]call{at(gives(1), 1, 2), at(gives(2), 3, 4), at(flushed, 5, 6), at(gives(3), 7, 8), at(refuses(1), 9, 10), at(gives(4), 11, 12)}, porcupine.Illegal},
		"a fork while torn":                     {[]call{at(gives(1), 1, 2), at(torn, 3, 4), at(gives(2), 5, 6), at(gives(1), 7, 8), at(gives(3), 9, 10), at(gives(1), 11, 12)}, porcupine.Ok},
		"a fork after the tear":                 {[]call{at(torn, 1, 2), at(gives(1), 3, 4), at(gives(2), 5, 6), at(flushed, 7, 8), at(gives(3), 9, 10), at(gives(1), 11, 12)}, porcupine.Illegal},
		"the newest token refused while torn":   {[]call{at(torn, 1, 2), at(gives(1), 3, 4), at(refuses(2), 5, 6)}, porcupine.Illegal},
		"more than was ever issued":             {[]call{at(gives(2), 1, 2)}, porcupine.Illegal},
		"a replay":                              {[]call{at(gives(1), 1, 2), at(gives(2), 3, 4), at(refuses(1), 5, 6), at(refuses(3), 7, 8)}, porcupine.Ok},
		"a replay that ends nothing":            {[]call{at(gives(1), 1, 2), at(gives(2), 3, 4), at(refuses(1), 5, 6), at(gives(3), 7, 8)}, porcupine.Illegal},
		"the newest token refused":              {[]call{at(gives(1), 1, 2), at(refuses(2), 3, 4)}, porcupine.Illegal},
		"the newest token refused after a loss": {[]call{at(gives(1), 1, 2), at(flushed, 3, 4), at(refuses(2), 5, 6)}, porcupine.Illegal},
		"a repeat refused":                      {[]call{at(gives(1), 1, 2), at(refuses(1), 3, 4)}, porcupine.Illegal},
		"a late repeat refused":                 {[]call{at(gives(1), 1, 2), at(refuses(1), seconds+3, seconds+4)}, porcupine.Ok},
		"revoked":                               {[]call{at(ended, 1, 2), at(refuses(1), 3, 4)}, porcupine.Ok},
		"revoked, and back":                     {[]call{at(ended, 1, 2), at(gives(1), 3, 4)}, porcupine.Illegal},
		"revoked, and back after a loss":        {[]call{at(gives(1), 1, 2), at(ended, 3, 4), at(flushed, 5, 6), at(gives(2), 7, 8)}, porcupine.Illegal},
		"refreshed while being revoked":         {[]call{at(ended, 1, 4), at(gives(1), 2, 5)}, porcupine.Ok},
		"an unheard rotation":                   {[]call{at(unheard(1), 1, 2), at(gives(1), 3, 4), at(gives(2), 5, 6)}, porcupine.Ok},
		"an unheard rotation that never was":    {[]call{at(unheard(1), 1, 2), at(gives(1), seconds+3, seconds+4)}, porcupine.Ok},
		"an unheard replay ends it late":        {[]call{at(gives(1), 1, 2), at(gives(2), 3, 4), at(unheard(1), 5, 6), at(gives(3), 7, 8), at(refuses(4), 9, 10)}, porcupine.Ok},
		"an unheard replay ends it too late":    {[]call{at(gives(1), 1, 2), at(gives(2), 3, 4), at(unheard(1), 5, 6), at(gives(3), 40, 41), at(refuses(4), 42, 43)}, porcupine.Illegal},
		"an unheard revocation ends it late":    {[]call{at(asked, 1, 2), at(gives(1), 3, 4), at(refuses(2), 5, 6)}, porcupine.Ok},
		"refused, and not":                      {[]call{at(asked, 1, 2), at(refuses(1), 3, 4), at(gives(1), 5, 6)}, porcupine.Illegal},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := judge(c.calls, nil, time.Minute); got != c.want {
				t.Errorf("judged %s, want %s", got, c.want)
			}
		})
	}
}
