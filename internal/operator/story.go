package operator

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// MaxStory bounds the events of a story, besides those that decided something: a
// client that never gives up leaves a refusal every hour.
const MaxStory = 200

// ErrUnexplained says that neither a session nor an event goes by that name.
var ErrUnexplained = errors.New("nothing is on record under this")

// Story is what is known of a session, a token or a request.
type Story struct {
	Now         time.Time           // the median of the clocks
	Token       *session.Inspection // of a refresh token
	Access      bool                // an access token was given; its signature is not checked
	Session     *session.Standing   // nil where there is none
	Removed     string              // the id of a session of which only events are left
	State       SessionState        // of the session
	Policy      session.Policy      // of the session's client
	Rotation    *session.State      // nil where it could not be read
	RotationErr error
	clocks      clock.Clocks      // when Rotation was read
	Verdict     *session.Decision // of the refresh token, were it presented now
	RequestID   string            // of the request
	Events      []audit.Event     // the oldest first
	Cut         bool              // there are more that decided nothing
}

// Explain finds out what the word names, a refresh or access token, a session or a
// request, and gathers its story. It changes nothing. ErrUnexplained,
// session.ErrNotFound.
func (o *Operator) Explain(ctx context.Context, word string) (*Story, error) {
	now, err := o.Now(ctx)
	if err != nil {
		return nil, err
	}
	story := &Story{Now: now}
	switch id, err := uuid.Parse(word); {
	case strings.HasPrefix(word, "mrt_"):
		return story, o.explainToken(ctx, story, word)
	case strings.Count(word, ".") == 2:
		story.Access = true
		sid := sidOf(word)
		err := o.explainSession(ctx, story, sid)
		if errors.Is(err, session.ErrNotFound) && sid != "" {
			err = o.explainRemoved(ctx, story, sid)
		}
		return story, err
	case err == nil:
		err := o.explainSession(ctx, story, id.String())
		if errors.Is(err, session.ErrNotFound) {
			err = o.explainRemoved(ctx, story, id.String())
		}
		if errors.Is(err, session.ErrNotFound) {
			err = o.explainRequest(ctx, story, id.String())
		}
		return story, err
	}
	return story, o.explainRequest(ctx, story, word)
}

// sidOf reads the sid of an access token, without checking its signature.
func sidOf(access string) string {
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(access, ".")[1])
	if err != nil {
		return ""
	}
	var claims struct {
		SessionID string `json:"sid"`
	}
	if json.Unmarshal(payload, &claims) != nil || uuid.Validate(claims.SessionID) != nil {
		return ""
	}
	return claims.SessionID
}

func (o *Operator) explainToken(ctx context.Context, story *Story, raw string) error {
	secrets, err := o.Secrets()
	if err != nil {
		return err
	}
	inspected := session.NewMint(secrets.Issuer, secrets.Roots).Inspect(raw)
	story.Token = &inspected
	if !inspected.Legible {
		return nil
	}
	// The family alone finds the session: also of a token that was damaged elsewhere.
	standing, err := o.Sessions.StandingByFamily(ctx, inspected.Token.Family.Hash())
	if errors.Is(err, session.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := o.explainStanding(ctx, story, standing); err != nil || inspected.Defect != "" || story.Rotation == nil {
		return err
	}
	story.foresee()
	return nil
}

// explainSession gathers the story of a session. session.ErrNotFound.
func (o *Operator) explainSession(ctx context.Context, story *Story, id string) error {
	standing, err := o.Sessions.StandingByID(ctx, id)
	if err != nil {
		return err
	}
	return o.explainStanding(ctx, story, standing)
}

// explainRemoved gathers the story of a session whose row is gone from the trail, which is kept
// for longer. session.ErrNotFound if it isn't there either.
func (o *Operator) explainRemoved(ctx context.Context, story *Story, id string) error {
	if err := o.gather(ctx, story, audit.Query{SessionID: id}); err != nil {
		return err
	}
	if len(story.Events) == 0 {
		return session.ErrNotFound
	}
	slices.SortStableFunc(story.Events, byTime)
	story.Removed = id
	return nil
}

func (o *Operator) explainStanding(ctx context.Context, story *Story, standing session.Standing) error {
	story.Session, story.Now = &standing, standing.Now
	rotation, clocks, err := o.Rotation(ctx, standing.ID)
	if err == nil {
		clocks.Database = standing.Now
		story.Rotation, story.clocks, story.Now = &rotation, clocks, clocks.Median()
	}
	story.RotationErr = err
	if story.Policy, err = o.policy(ctx, standing.ClientID); err != nil {
		return err
	}
	story.State = stateOf(standing.Session, story.Policy, story.Now)
	if err := o.gather(ctx, story, audit.Query{SessionID: standing.ID}); err != nil {
		return err
	}
	if ending, found, err := o.ending(ctx, standing); err != nil {
		return err
	} else if found {
		story.Events = append(story.Events, ending)
	}
	slices.SortStableFunc(story.Events, byTime)
	return nil
}

func byTime(a, b audit.Event) int {
	return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID))
}

// gather reads the newest events that the query selects, and all those kinds of
// which a session has one, should there be too many others.
func (o *Operator) gather(ctx context.Context, story *Story, query audit.Query) error {
	query.Limit = MaxStory + 1
	events, err := o.Events.Events(ctx, query)
	if err != nil {
		return err
	}
	if len(events) <= MaxStory {
		story.Events = events
		return nil
	}
	story.Events, story.Cut = events[:MaxStory], true
	for _, kind := range []audit.Kind{audit.SessionRevoked, audit.SessionReplayed, audit.SessionStarted} {
		query.Kind = kind
		deciding, err := o.Events.Events(ctx, query)
		if err != nil {
			return err
		}
		for _, e := range deciding[:min(len(deciding), MaxStory)] {
			if !slices.ContainsFunc(story.Events, func(known audit.Event) bool { return known.ID == e.ID }) {
				story.Events = append(story.Events, e)
			}
		}
	}
	return nil
}

// ending finds the event of what ended all sessions of the user, and this one
// among them: it committed in the same transaction.
func (o *Operator) ending(ctx context.Context, standing session.Standing) (audit.Event, bool, error) {
	const together = 5 * time.Second
	kinds := map[string][]audit.Kind{
		session.ReasonUser:     {audit.UserDisabled, audit.UserDeleted},
		session.ReasonPassword: {audit.UserPasswordChanged},
		session.ReasonOperator: {audit.UserSessionsEnded},
	}[standing.RevokeReason]
	for _, kind := range kinds {
		events, err := o.Events.Events(ctx, audit.Query{UserID: standing.UserID, Kind: kind, Limit: MaxStory})
		if err != nil {
			return audit.Event{}, false, err
		}
		for _, e := range events {
			if e.At.Sub(standing.RevokedAt).Abs() <= together {
				return e, true, nil
			}
		}
	}
	return audit.Event{}, false, nil
}

// foresee decides what would become of the token, were it presented now.
func (s *Story) foresee() {
	t := s.Token.Token
	shown := session.Presented{Generation: t.Generation, IssuedAt: t.IssuedAt, Compromised: t.Compromised}
	decision := session.Decide(s.Session.Row(), *s.Rotation, shown, s.clocks, s.Policy)
	s.Verdict = &decision
}

// explainRequest gathers what a request caused. ErrUnexplained.
func (o *Operator) explainRequest(ctx context.Context, story *Story, id string) error {
	if err := o.gather(ctx, story, audit.Query{RequestID: id}); err != nil {
		return err
	}
	if len(story.Events) == 0 {
		if err := o.gatherCounts(ctx, story, id); err != nil {
			return err
		}
	}
	slices.SortStableFunc(story.Events, byTime)
	story.RequestID = id
	return nil
}

// maxCounts bounds the newest refusals among which a request is looked for.
const maxCounts = 1000

// gatherCounts finds the counts of refused logins that the request may be one of. ErrUnexplained.
func (o *Operator) gatherCounts(ctx context.Context, story *Story, id string) error {
	refused, err := o.Events.Events(ctx, audit.Query{Kind: audit.LoginRefused, Limit: maxCounts})
	if err != nil {
		return err
	}
	for _, e := range refused {
		if e.Covers(id) {
			story.Events = append(story.Events, e)
		}
	}
	if len(story.Events) == 0 {
		return ErrUnexplained
	}
	return nil
}
