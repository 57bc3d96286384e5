package authority

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/token"
)

// statesKeptBeyondIdle is how long a session's rotation state outlives its tokens.
const statesKeptBeyondIdle = time.Hour

// abandonAfter ends a refresh that takes too long; it is less than the grace
// window, so the client's retry is still a repeat.
const abandonAfter = 10 * time.Second

// assignWithin is how long a refresh is held up for the session's status index.
const assignWithin = time.Second

// Pair is an access token, expired or not, and the refresh token of its session.
type Pair struct {
	AccessToken  string
	RefreshToken string
}

// presented is a refresh token of ours that its client presented, and where its
// session stands.
type presented struct {
	session.RefreshToken
	by       Caller
	standing session.Standing
	read     time.Time    // when that was read, by this process's monotonic clock
	clocks   clock.Clocks // and what they said then
}

// now is what the clocks say now, given what that of the ephemeral store says.
func (p presented) now(store clock.Clocks) clock.Clocks {
	if store.Redis.IsZero() { // embedded: there is one clock
		return store
	}
	now := p.clocks.Add(time.Since(p.read))
	now.Redis = store.Redis
	return now
}

// RefreshPair renews a pair of the caller's. Both tokens must be ours and of one
// session; else ErrGrant, and nothing changes.
func (a *Authority) RefreshPair(ctx context.Context, by Caller, p Pair) (Tokens, error) {
	ctx, cancel := context.WithTimeout(ctx, abandonAfter)
	defer cancel()
	found, err := a.findPair(ctx, by, p)
	if err != nil {
		return Tokens{}, err
	}
	return a.rotate(ctx, found)
}

// Refresh renews a refresh token of the caller's (RFC 6749 §6). ErrGrant.
func (a *Authority) Refresh(ctx context.Context, by Caller, raw string) (Tokens, error) {
	ctx, cancel := context.WithTimeout(ctx, abandonAfter)
	defer cancel()
	found, err := a.find(ctx, by, raw)
	if err != nil {
		return Tokens{}, err
	}
	return a.rotate(ctx, found)
}

// find checks a refresh token before any I/O, then that its session is the
// caller's. A wrong token or client changes nothing. ErrGrant.
func (a *Authority) find(ctx context.Context, by Caller, raw string) (presented, error) {
	if err := by.Refused(); err != nil {
		return presented{}, err
	}
	parsed, err := a.Mint.Parse(raw)
	if err != nil {
		return presented{}, ErrGrant
	}
	return a.locate(ctx, by, parsed)
}

// locate finds where the session of a token of ours stands, if it is the caller's.
func (a *Authority) locate(ctx context.Context, by Caller, parsed session.RefreshToken) (presented, error) {
	standing, err := a.Sessions.StandingByFamily(ctx, parsed.Family.Hash())
	switch {
	case errors.Is(err, session.ErrNotFound):
		return presented{}, ErrGrant
	case err != nil:
		return presented{}, err
	case standing.ClientID != by.client.ID:
		return presented{}, ErrGrant
	case standing.JKT != nil: // bound to a key, and no proof of it can be shown (RFC 9449 §5)
		return presented{}, ErrGrant
	}
	return presented{RefreshToken: parsed, by: by, standing: standing, read: time.Now(), clocks: a.Clocks.At(standing.Now)}, nil
}

// findPair is find for a pair: the access token must be ours and of the same session.
func (a *Authority) findPair(ctx context.Context, by Caller, p Pair) (presented, error) {
	if err := by.Refused(); err != nil {
		return presented{}, err
	}
	parsed, err := a.Mint.Parse(p.RefreshToken) // one MAC is cheaper than a signature
	if err != nil {
		return presented{}, ErrGrant
	}
	claims, err := token.Parse(p.AccessToken, a.Issuer, a.Keys.Public)
	if errors.Is(err, token.ErrToken) {
		return presented{}, ErrGrant
	}
	if err != nil {
		return presented{}, err
	}
	found, err := a.locate(ctx, by, parsed)
	if err == nil && claims.SessionID != found.standing.ID {
		err = ErrGrant
	}
	return found, err
}

// rotate decides what the presented token is worth, and grants or refuses.
func (a *Authority) rotate(ctx context.Context, p presented) (Tokens, error) {
	if !p.standing.ClientEnabled {
		return Tokens{}, ErrClient
	}
	// Without a signer nothing may move: the client would lose a rotation for nothing.
	signer, err := a.Keys.Signer(p.clocks.Reliable())
	if err != nil {
		return Tokens{}, fmt.Errorf("find signing key: %w", err)
	}
	found, err := a.decide(ctx, p, carryOut)
	if err != nil {
		return Tokens{}, err
	}
	a.Observer.Refreshed(found.Verdict.String())
	a.Log.Debug("refresh", "verdict", found.Verdict.String(), "sid", p.standing.ID, "generation", p.Generation, "request", p.by.from.RequestID)

	if found.Verdict == session.Replayed {
		if err := a.end(ctx, p.standing, session.ReasonReplay, p.event(audit.SessionReplayed, found)); err != nil {
			return Tokens{}, err
		}
		a.Log.Warn("refresh token replayed; session revoked", "sid", p.standing.ID, "generation", p.Generation, "address", p.by.from.Address)
		return Tokens{}, ErrGrant
	}
	if !found.Verdict.Succeeds() {
		a.recordRefusal(p, found)
		return Tokens{}, ErrGrant
	}
	a.record(p, found)
	if p.standing.StatusIndex == nil {
		p.standing.StatusIndex = a.assignStatusIndex(ctx, p.standing.Session)
	}
	successor := session.RefreshToken{Family: p.Family, Generation: found.Issue, IssuedAt: found.Issued}
	return a.issuePair(signer, p.standing.Grant(), successor, p.clocks.Reliable())
}

// assignStatusIndex gives a session an index that an older binary started without one,
// once. The refresh has succeeded already: when that fails, its token has no status, as
// the one before, and the next refresh tries again.
func (a *Authority) assignStatusIndex(ctx context.Context, s session.Session) *int64 {
	ctx, cancel := context.WithTimeout(ctx, assignWithin)
	defer cancel()
	index, err := a.Sessions.AssignStatusIndex(ctx, s.ID, session.Terms{Idle: a.Lifetimes.IdleTTL, Reuse: a.reuse()})
	if err != nil {
		a.Log.Warn("session has no place in the status lists yet; the next refresh tries again", "sid", s.ID, "err", err)
		return nil
	}
	return &index
}

// reuse is the time by which a session must be over for another to get its status index: none,
// while the clocks disagree.
func (a *Authority) reuse() time.Time {
	if !a.Clocks.Agree() {
		return time.Time{}
	}
	return a.Clocks.Now().Reliable()
}

// finding is what the rules found, and which generation was current before; 0 where
// they did not need to know.
type finding struct {
	session.Decision
	current uint32
}

// effect says what becomes of the stored state under a decision.
type effect func(stored session.State, d session.Decision) (next session.State, write bool)

// carryOut stores what the rules decided.
func carryOut(stored session.State, d session.Decision) (session.State, bool) {
	return d.State, d.State != stored
}

// onlyLook leaves the session as it is.
func onlyLook(stored session.State, _ session.Decision) (session.State, bool) { return stored, false }

// decide applies the rules to the session's state. A verdict that needs no state
// costs no round trip; under a compromised key all but the newest generation is
// refused, which only the state knows.
func (a *Authority) decide(ctx context.Context, p presented, effect effect) (finding, error) {
	policy := a.Lifetimes.PolicyOf(p.by.client)
	row := p.standing.Row()
	shown := session.Presented{Generation: p.Generation, IssuedAt: p.IssuedAt, Compromised: p.Compromised}
	if row.Revoked || (policy.Never && !p.Compromised) {
		return finding{session.Decide(row, session.State{}, shown, p.clocks, policy), 0}, nil
	}
	var found finding
	err := a.States.UpdateState(ctx, p.standing.ID, policy.Idle+statesKeptBeyondIdle, func(stored session.State, now clock.Clocks) (session.State, bool) {
		found = finding{session.Decide(row, stored, shown, p.now(now), policy), max(stored.Cur, row.Checkpoint)}
		return effect(stored, found.Decision)
	})
	if err != nil {
		return finding{}, fmt.Errorf("rotate session: %w", err)
	}
	return found, nil
}

// PolicyOf is what a client's configuration says, over the defaults.
func (l Lifetimes) PolicyOf(c client.Client) session.Policy {
	return session.Policy{
		Never: c.Rotation == client.RotateNever,
		Idle:  orDefault(c.IdleTTL, l.IdleTTL),
		Grace: orDefault(c.Grace, l.Grace),
		Skip:  c.AllowSkip,
	}
}
