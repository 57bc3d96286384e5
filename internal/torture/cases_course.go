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
		{ID: "keys-down", Name: "a good token while the issuer is down", Source: "RFC 5861 §4", Must: Accept, Needs: NeedIssuer, play: keysDown},
		{ID: "keys-flood", Name: "tokens under many unknown kids", Source: "RFC 8725 §3.10", Needs: NeedIssuer, play: keysFlood},
		{ID: "keys-new", Name: "a token under a key that was just published", Source: "RFC 7517 §5, OpenID Connect Core §10.1.1", Must: Accept,
			Needs: NeedIssuer, play: keysNew},
		{ID: "keys-strange", Name: "a new key among keys of unknown kinds", Source: "RFC 7517 §5", Must: Accept, Needs: NeedIssuer, play: keysStrange},
		{ID: "keys-removed", Name: "a token under a key that the issuer has removed", Source: "OpenID Connect Core §10.1.1", Needs: NeedIssuer, play: keysRemoved},
	}
}

func keysDown(ctx context.Context, r *round) []*Outcome {
	r.own.publish(func(i *issuer) { i.down = true })
	defer r.own.publish(func(i *issuer) { i.down = false })
	return []*Outcome{r.fire(ctx, Accept, shot{sent: "keys that it has seen", token: r.kit.good()})}
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

func keysStrange(ctx context.Context, r *round) []*Outcome {
	defer r.own.publish(func(i *issuer) { i.strange = false })
	return []*Outcome{r.rotate(ctx, "beside kty MOON, Ed25519, a broken EC key and an empty RSA key", func(i *issuer, old pair) {
		keep(i, old)
		i.strange = true
	})}
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
	token := func(index int, sent string) func() shot {
		return func() shot { return shot{sent: sent, token: r.kit.mint(nil, set{"status": r.own.status(index)})} }
	}
	before := r.fire(ctx, Accept, token(ended, "before its end")())
	if before.Verdict != Passed {
		return []*Outcome{before}
	}
	r.own.revoke(ended)
	return []*Outcome{
		r.until(ctx, r.cfg.RevokedWithin, Refuse, token(ended, "after its end")),
		r.fire(ctx, Accept, token(neighbour, "of its neighbour in the list")()),
	}
}

// expired says whether a token that we can't make anew is over.
func expired(claims set, now time.Time) bool {
	number, ok := claims["exp"].(json.Number)
	if !ok {
		return false
	}
	end, err := number.Float64()
	return err == nil && float64(now.Unix()) >= end
}
