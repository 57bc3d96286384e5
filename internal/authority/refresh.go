package authority

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/token"
)

// statesKeptBeyondIdle is how long a session's rotation state outlives its tokens.
const statesKeptBeyondIdle = time.Hour

// abandonAfter ends a refresh that takes too long; it is less than the grace
// window, so the client's retry is still a repeat.
const abandonAfter = 10 * time.Second

// Pair is an access token, expired or not, and the refresh token of its session.
type Pair struct {
	AccessToken  string
	RefreshToken string
}

// RefreshPair renews a pair of the first-party client. Both tokens must be ours
// and of one session; else ErrGrant, and nothing changes.
func (a *Authority) RefreshPair(ctx context.Context, p Pair, from Origin) (Tokens, error) {
	c, err := a.firstParty()
	if err != nil {
		return Tokens{}, err
	}
	presented, standing, err := a.findPair(ctx, c, p)
	if err != nil {
		return Tokens{}, err
	}
	return a.rotate(ctx, c, presented, standing, from)
}

// Refresh renews a refresh token of the client, which the caller authenticated
// (RFC 6749 §6). ErrGrant.
func (a *Authority) Refresh(ctx context.Context, c client.Client, raw string, from Origin) (Tokens, error) {
	presented, standing, err := a.find(ctx, c, raw)
	if err != nil {
		return Tokens{}, err
	}
	return a.rotate(ctx, c, presented, standing, from)
}

// find checks a refresh token before any I/O, then that its session is the
// client's. A wrong token or client changes nothing. ErrGrant.
func (a *Authority) find(ctx context.Context, c client.Client, raw string) (session.Token, session.Standing, error) {
	presented, err := a.Mint.Parse(raw)
	if err != nil {
		return session.Token{}, session.Standing{}, ErrGrant
	}
	standing, err := a.Sessions.StandingByFamily(ctx, presented.Family.Hash())
	switch {
	case errors.Is(err, session.ErrNotFound):
		return session.Token{}, session.Standing{}, ErrGrant
	case err != nil:
		return session.Token{}, session.Standing{}, fmt.Errorf("read session: %w", err)
	case standing.ClientID != c.ID:
		return session.Token{}, session.Standing{}, ErrGrant
	}
	return presented, standing, nil
}

// findPair is find for a pair: the access token must be ours and of the same session.
func (a *Authority) findPair(ctx context.Context, c client.Client, p Pair) (session.Token, session.Standing, error) {
	if _, err := a.Mint.Parse(p.RefreshToken); err != nil { // one MAC is cheaper than a signature
		return session.Token{}, session.Standing{}, ErrGrant
	}
	claims, err := token.Parse(p.AccessToken, a.Issuer, a.Keys.Public)
	if errors.Is(err, token.ErrToken) {
		return session.Token{}, session.Standing{}, ErrGrant
	}
	if err != nil {
		return session.Token{}, session.Standing{}, err
	}
	presented, standing, err := a.find(ctx, c, p.RefreshToken)
	if err == nil && claims.SessionID != standing.ID {
		err = ErrGrant
	}
	return presented, standing, err
}

// rotate decides what the presented token is worth, and grants or refuses.
func (a *Authority) rotate(ctx context.Context, c client.Client, presented session.Token, standing session.Standing, from Origin) (Tokens, error) {
	ctx, cancel := context.WithTimeout(ctx, abandonAfter)
	defer cancel()
	if !standing.ClientEnabled {
		return Tokens{}, ErrClient
	}
	// Without a signer nothing may move: the client would lose a rotation for nothing.
	signer, err := a.Keys.Signer(standing.Now)
	if err != nil {
		return Tokens{}, fmt.Errorf("find signing key: %w", err)
	}
	decision, err := a.decide(ctx, c, presented, standing)
	if err != nil {
		return Tokens{}, err
	}
	a.Observer.Refreshed(decision.Verdict.String())
	a.Log.Debug("refresh", "verdict", decision.Verdict.String(), "sid", standing.ID, "generation", presented.Generation)

	if decision.Verdict == session.Replayed {
		event := refreshEvent(audit.SessionReplayed, decision, presented, standing, from)
		if err := a.end(ctx, standing, session.ReasonReplay, event); err != nil {
			return Tokens{}, err
		}
		a.Log.Warn("refresh token replayed; session revoked", "sid", standing.ID, "generation", presented.Generation, "address", from.Address)
	}
	if !decision.Verdict.Succeeds() {
		return Tokens{}, ErrGrant
	}
	a.record(decision, presented, standing, from)
	successor := session.Token{Family: presented.Family, Generation: decision.Issue, IssuedAt: decision.Issued}
	return a.issue(signer, standing.Session, successor, standing.Now)
}

// decide applies the rules to the session's state. A verdict that needs no state
// costs no round trip.
func (a *Authority) decide(ctx context.Context, c client.Client, presented session.Token, standing session.Standing) (session.Decision, error) {
	policy := a.policy(c)
	row := standing.Row()
	p := session.Presented{Generation: presented.Generation, IssuedAt: presented.IssuedAt, Compromised: presented.Compromised}
	if row.Revoked || policy.Never {
		return session.Decide(row, session.State{}, p, standing.Now, policy), nil
	}
	var decision session.Decision
	err := a.States.UpdateState(ctx, standing.ID, policy.Idle+statesKeptBeyondIdle, func(stored session.State, now time.Time) (session.State, bool) {
		decision = session.Decide(row, stored, p, now, policy)
		return decision.State, decision.State != stored
	})
	if err != nil {
		return session.Decision{}, fmt.Errorf("rotate session: %w", err)
	}
	return decision, nil
}

// policy is what the client's configuration says, over the defaults.
func (a *Authority) policy(c client.Client) session.Policy {
	return session.Policy{
		Never: c.Rotation == client.RotateNever,
		Idle:  orDefault(c.IdleTTL, a.Lifetimes.IdleTTL),
		Grace: orDefault(c.Grace, a.Lifetimes.Grace),
		Skip:  c.AllowSkip,
	}
}

// record notes a success: the checkpoint when one is due, and an event when the
// verdict tells more than that the client came back.
func (a *Authority) record(d session.Decision, presented session.Token, standing session.Standing, from Origin) {
	a.Checkpoints.Note(standing, presented.Generation)
	switch {
	case d.Verdict == session.Repeated && elsewhere(standing, from):
		a.Events.Add(refreshEvent(audit.SessionRepeated, d, presented, standing, from))
	case d.Verdict == session.Skipped:
		a.Events.Add(refreshEvent(audit.SessionSkipped, d, presented, standing, from))
	case d.Verdict == session.Healed:
		a.Events.Add(refreshEvent(audit.SessionHealed, d, presented, standing, from))
		if d.Alarm {
			a.Log.Error("an older refresh token was used after the store lost writes", "sid", standing.ID, "generation", presented.Generation, "gap", d.Gap)
		}
	}
}

// elsewhere reports whether a request looks unlike the login of its session.
func elsewhere(s session.Standing, from Origin) bool {
	return s.Address != from.Address || s.UserAgent != from.UserAgent
}

func refreshEvent(kind audit.Kind, d session.Decision, presented session.Token, s session.Standing, from Origin) audit.Event {
	e := from.event(kind, "client")
	e.UserID, e.ClientID, e.SessionID = s.UserID, s.ClientID, s.ID
	e.Detail = map[string]string{
		"verdict":          d.Verdict.String(),
		"generation":       strconv.FormatUint(uint64(presented.Generation), 10),
		"current":          strconv.FormatUint(uint64(d.State.Cur), 10),
		"issued_at":        presented.IssuedAt.UTC().Format(time.RFC3339),
		"login_address":    s.Address,
		"login_user_agent": s.UserAgent,
	}
	if d.Verdict == session.Healed {
		e.Detail["gap"] = strconv.FormatUint(uint64(d.Gap), 10)
		e.Detail["alarm"] = strconv.FormatBool(d.Alarm)
	}
	return e
}
