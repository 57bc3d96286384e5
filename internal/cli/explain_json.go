package cli

import (
	"slices"
	"time"

	"github.com/mintmark-auth/mintmark/internal/operator"
)

type explained struct {
	Story     []string          `json:"story"`
	Token     *explainedToken   `json:"token,omitempty"`
	Session   *explainedSession `json:"session,omitempty"`
	Removed   string            `json:"removed_session_id,omitempty"` // only events are left of it
	RequestID string            `json:"request_id,omitempty"`
	Events    []explainedEvent  `json:"events"`
	Cut       bool              `json:"cut,omitempty"` // there are more events that decided nothing
}

type explainedToken struct {
	Ours       bool   `json:"ours"`
	Defect     string `json:"defect,omitempty"`
	Generation uint32 `json:"generation,omitempty"`
	IssuedAt   string `json:"issued_at,omitempty"`
	RootSecret byte   `json:"root_secret,omitempty"` // its id
	VerdictNow string `json:"verdict_now,omitempty"`
}

type explainedSession struct {
	sessionAnswer
	Checkpoint uint32  `json:"checkpoint"`
	Current    *uint32 `json:"current,omitempty"` // absent: the rotation state could not be read
}

type explainedEvent struct {
	At        string            `json:"at"`
	Kind      string            `json:"kind"`
	Actor     string            `json:"actor"`
	ActorID   string            `json:"actor_id,omitempty"`
	SessionID string            `json:"session_id,omitempty"`
	UserID    string            `json:"user_id,omitempty"`
	Address   string            `json:"address,omitempty"`
	UserAgent string            `json:"user_agent,omitempty"`
	RequestID string            `json:"request_id,omitempty"`
	Detail    map[string]string `json:"detail,omitempty"`
}

func (r storyReport) json(prose []string) explained {
	answer := explained{Story: prose, RequestID: r.RequestID, Removed: r.Removed, Cut: r.Cut, Events: slices.Grow([]explainedEvent{}, len(r.Events))}
	if t := r.Token; t != nil {
		answer.Token = &explainedToken{Ours: t.Defect == "", Defect: t.Defect}
		if t.Legible {
			answer.Token.Generation, answer.Token.IssuedAt, answer.Token.RootSecret = t.Token.Generation, stamp(t.Token.IssuedAt), t.KeyID
		}
		if r.Verdict != nil {
			answer.Token.VerdictNow = r.Verdict.Verdict.String()
		}
	}
	if s := r.Session; s != nil {
		answer.Session = &explainedSession{sessionAnswer: sessionJSON(operator.Session{Session: s.Session, Username: s.Username, State: r.State}), Checkpoint: s.Checkpoint}
		if r.Rotation != nil {
			current := max(r.Rotation.Cur, s.Checkpoint)
			answer.Session.Current = &current
		}
	}
	for _, e := range r.Events {
		answer.Events = append(answer.Events, explainedEvent{
			At: e.At.Format(time.RFC3339Nano), Kind: string(e.Kind), Actor: string(e.Actor.Kind), ActorID: e.Actor.ID, SessionID: e.SessionID, UserID: e.UserID,
			Address: e.Address, UserAgent: e.UserAgent, RequestID: e.RequestID, Detail: e.Detail,
		})
	}
	return answer
}
