package authority

import (
	"strconv"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// record notes a success: the checkpoint if one is due, and an event if the verdict is more
// than an ordinary refresh.
func (a *Authority) record(p presented, f finding) {
	a.Checkpoints.Note(p.standing, p.Generation)
	if p.Compromised {
		a.Events.Add(p.event(audit.SessionCompromisedKey, f))
		a.Log.Warn("refresh token accepted under a MAC key that is marked compromised", "sid", p.standing.ID, "generation", p.Generation, "address", p.by.from.Address)
	}
	switch {
	case f.Verdict == session.Repeated && elsewhere(p.standing, p.by.from):
		a.Events.AddSeldom(p.event(audit.SessionRepeated, f)) // a thief may repeat as often as there is time within the grace
	case f.Verdict == session.Skipped:
		a.Events.Add(p.event(audit.SessionSkipped, f))
	case f.Verdict == session.Healed:
		a.Events.Add(p.event(audit.SessionHealed, f))
		if f.Alarm {
			a.Log.Error("an older refresh token was used after the store lost writes", "sid", p.standing.ID, "generation", p.Generation, "gap", f.Gap)
		}
	}
}

// recordRefusal notes that a token of a session of ours was refused and nothing
// changed. A client may try it forever, so it is noted seldom.
func (a *Authority) recordRefusal(p presented, f finding) {
	a.Events.AddSeldom(p.event(audit.SessionRefused, f))
}

// recordRefusedLogin notes a wrong password, or a name that nobody has, but not what was typed: it may be a password.
func (a *Authority) recordRefusedLogin(by Caller, u user.User) {
	e := by.event(audit.LoginRefused, audit.ByClient(by.client.ID))
	e.At, e.UserID, e.ClientID = a.Clocks.Now().Reliable(), u.ID, by.client.ID
	network, _ := subscriberOf(by.from.Address)
	a.Events.AddCounted(e, network.String())
}

// elsewhere reports whether a request looks unlike the login of its session.
func elsewhere(s session.Standing, from Origin) bool {
	return s.Address != from.Address || s.UserAgent != from.UserAgent
}

// event describes a verdict: what was presented, how far that was from the current generation,
// by which client, and from where the user logged in. Its time is the decision's, since it may
// be written later.
func (p presented) event(kind audit.Kind, f finding) audit.Event {
	e := p.by.event(kind, audit.ByClient(p.standing.ClientID))
	e.At = p.clocks.Reliable()
	e.UserID, e.ClientID, e.SessionID = p.standing.UserID, p.standing.ClientID, p.standing.ID
	e = e.With(map[string]string{
		"verdict":          f.Verdict.String(),
		"generation":       decimal(p.Generation),
		"issued_at":        p.IssuedAt.UTC().Format(time.RFC3339),
		"login_address":    p.standing.Address,
		"login_user_agent": p.standing.UserAgent,
	})
	if f.current > 0 {
		e.Detail["current"] = decimal(f.current)
		e.Detail["gap"] = decimal(max(p.Generation, f.current) - min(p.Generation, f.current))
	}
	if f.Verdict.Succeeds() {
		e.Detail["issued"] = decimal(f.Issue)
	}
	if f.Verdict == session.Healed {
		e.Detail["alarm"] = strconv.FormatBool(f.Alarm)
	}
	if p.Compromised {
		e.Detail["key"] = "compromised"
	}
	return e
}

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
