package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// The controls. Without them nothing else means anything.
var (
	goodToken = Case{ID: "good-token", Name: "the good token", Source: "RFC 6750 §2.1", Must: Accept,
		play: func(ctx context.Context, r *round) []*Outcome {
			next := func() shot { return shot{sent: "as it is", token: r.kit.good()} }
			if r.cfg.Wait == 0 {
				return []*Outcome{r.fire(ctx, Accept, next())}
			}
			return []*Outcome{r.until(ctx, r.cfg.Wait, Accept, next)}
		}}
	noToken = Case{ID: "no-token", Name: "no token", Source: "RFC 6750 §3", shots: func(*kit) []shot {
		return []shot{{sent: "nothing"}}
	}}
	goodTokenAfter = Case{ID: "good-token-after", Name: "the good token, after all of this", Source: "RFC 6750 §2.1", Must: Accept,
		shots: func(k *kit) []shot { return []shot{{sent: "as it is", token: k.good()}} }}
)

func rotationCases() []Case {
	return []Case{
		{ID: "keys-down", Name: "a good token while the issuer is in trouble", Source: "RFC 5861 §4", Must: Accept, Needs: NeedIssuer, play: keysDown},
		{ID: "keys-flood", Name: "tokens under many unknown kids", Source: "RFC 8725 §3.10", Needs: NeedIssuer, play: keysFlood},
		{ID: "keys-new", Name: "a token under a key that was just published", Source: "RFC 7517 §5, OpenID Connect Core §10.1.1", Must: Accept,
			Needs: NeedIssuer, play: keysNew},
		{ID: "keys-strange", Name: "a new key beside one of an unknown kind", Source: "RFC 7517 §5", Must: Accept, Needs: NeedIssuer, play: keysStrange},
		{ID: "keys-broken", Name: "a new key beside one that is broken", Source: "RFC 7517 §5", Must: Either, Needs: NeedIssuer, play: keysBroken},
		{ID: "keys-removed", Name: "a token under a key that the issuer has removed", Source: "OpenID Connect Core §10.1.1", Needs: NeedIssuer, play: keysRemoved},
	}
}

// keysDown has the service ask for the keys while the issuer is in trouble: by a token of a kid that it has not seen.
// Whatever it makes of that one, the keys that it had must stay.
func keysDown(ctx context.Context, r *round) []*Outcome {
	defer r.own.get(calm)
	troubles := []trouble{down, empty, truncated, moving, stalled}
	all := []*Outcome{}
	for n, t := range troubles {
		r.own.get(t)
		before := r.own.fetched()
		// A service asks for unknown keys once in a while only: long enough for most, and no longer for all of them
		// than for one change of keys.
		end := time.Now().Add(r.cfg.KeysWithin / time.Duration(len(troubles)))
		for try := 0; ; try++ {
			unknown := r.kit.forge(set{"kid": fmt.Sprintf("unseen-%d-%d", n, try)}, nil)
			_, _, _ = r.attempt(ctx, shot{token: unknown}) // not again where it is busy: it may say that of a kid that it can't look up
			if r.own.fetched() > before || time.Now().After(end) || sleep(ctx, min(r.cfg.KeysWithin/50, time.Second)) != nil {
				break
			}
		}
		all = append(all, r.fire(ctx, Accept, shot{sent: "the issuer " + string(t), token: r.kit.good()}))
	}
	return all
}

// flood is how many tokens of unknown kids are sent: enough to tell a service that fetches for each from others.
const flood = 25

func keysFlood(ctx context.Context, r *round) []*Outcome {
	before := r.own.fetched()
	worst := &Outcome{Sent: fmt.Sprintf("%d kids", flood), Verdict: Passed}
	for n := range flood {
		o := r.fire(ctx, Refuse, shot{sent: worst.Sent, token: r.kit.forge(set{"kid": fmt.Sprintf("nobody-%d", n)}, nil)})
		if n == 0 || o.Verdict.rank() > worst.Verdict.rank() {
			worst = o
		}
	}
	if fetches := r.own.fetched() - before; fetches > flood/2 {
		worst.Remark = fmt.Sprintf("%d unknown kids made it ask the issuer for its keys %d times; a cool-down would spare both", flood, fetches)
	}
	return []*Outcome{worst}
}

func (i *issuer) fetched() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// rotate makes a new key the signing one and waits until the service takes its tokens. Where it does not, the old key
// signs again, so that the run can go on.
func (r *round) rotate(ctx context.Context, sent string, publish func(i *issuer, old pair)) *Outcome {
	fresh, err := newPair(r.cfg.newKey)
	if err != nil {
		return &Outcome{Sent: sent, Got: "no key could be made", Verdict: NotTried}
	}
	var old pair
	r.own.publish(func(i *issuer) {
		old = i.signing
		i.signing = fresh
		publish(i, old)
	})
	r.kit.trust(fresh.key, fresh.kid)
	o := r.until(ctx, r.cfg.KeysWithin, Accept, func() shot { return shot{sent: sent, token: r.kit.good()} })
	if o.Verdict != Passed {
		r.own.publish(func(i *issuer) {
			i.signing = old
			i.others = slices.DeleteFunc(i.others, func(p pair) bool { return p == old })
		})
		r.kit.trust(old.key, old.kid)
	}
	return o
}

func keep(i *issuer, old pair) { i.others = append(i.others, old) }

func keysNew(ctx context.Context, r *round) []*Outcome {
	return []*Outcome{r.rotate(ctx, "beside the old keys", keep)}
}

func keysStrange(ctx context.Context, r *round) []*Outcome { return r.besides(ctx, unknownKeys) }

// keysBroken is the service's choice: it may refuse a set of which a part is broken.
func keysBroken(ctx context.Context, r *round) []*Outcome {
	all := r.besides(ctx, brokenKeys)
	for _, o := range all {
		if o.Verdict == WronglyRefused {
			o.Verdict, o.Remark = Passed, "one broken key in the set makes it lose the others"
		}
	}
	return all
}

// besides publishes a new key beside each of others.
func (r *round) besides(ctx context.Context, others []strangeKey) []*Outcome {
	defer r.own.publish(func(i *issuer) { i.strange = nil })
	var all []*Outcome
	for _, one := range others {
		all = append(all, r.rotate(ctx, one.sent, func(i *issuer, old pair) {
			keep(i, old)
			i.strange = one.key
		}))
	}
	return all
}

// keysRemoved changes the signing key, so that a service that accepts the new one has seen a set without the old one.
func keysRemoved(ctx context.Context, r *round) []*Outcome {
	old := *r.kit
	seen := r.rotate(ctx, "the new key", func(*issuer, pair) {})
	if seen.Verdict != Passed {
		return []*Outcome{seen}
	}
	return []*Outcome{seen, r.until(ctx, r.cfg.KeysWithin, Refuse, func() shot { return shot{sent: "the old key", token: old.mint(nil, nil)} })}
}

func revocationCases() []Case {
	return []Case{
		{ID: "session-revoked", Name: "a token of a session that was revoked", Source: "draft-ietf-oauth-status-list §8", Needs: NeedIssuer | NeedStatus,
			play: sessionRevoked},
	}
}

// sessionRevoked ends one of two sessions whose places in the list are neighbours.
func sessionRevoked(ctx context.Context, r *round) []*Outcome {
	const ended, neighbour = 9, 10
	once := r.kit.mint(nil, set{"status": r.own.status(ended)}) // the service may remember it, and must not take that for good
	before := r.fire(ctx, Accept, shot{sent: "before its end", token: once})
	if before.Verdict != Passed {
		return []*Outcome{before}
	}
	r.own.revoke(ended)
	return []*Outcome{
		r.until(ctx, r.cfg.RevokedWithin, Refuse, func() shot { return shot{sent: "after its end", token: once} }),
		r.fire(ctx, Accept, shot{sent: "of its neighbour in the list", token: r.kit.mint(nil, set{"status": r.own.status(neighbour)})}),
	}
}

// expired reports whether a token that we can't make anew is over.
func expired(claims set, now time.Time) bool {
	number, ok := claims["exp"].(json.Number)
	if !ok {
		return false
	}
	end, err := number.Float64()
	return err == nil && float64(now.Unix()) >= end
}
