package cli

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
	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// maxStory bounds the events of a story, besides those that decided something: a
// client that never gives up leaves a refusal every hour.
const maxStory = 200

// errUnexplained says that neither a session nor an event goes by that name.
var errUnexplained = errors.New("nothing is on record under this; give a refresh token (mrt_…), a session's id or the X-Request-Id of an answer (a request that neither changed nor refused a session leaves no event, the log has it)")

func (s *shell) newExplain() *cobra.Command {
	return &cobra.Command{
		Use: "explain TOKEN|SID|REQUEST-ID", Short: "tell why a refresh was refused, from the audit trail",
		Long: `Tell the story of a session: who presented which refresh token, when, from where, and what
it was worth. Of a refresh token it also tells whether it is ours, and what would become of
it now; of a request, what it caused. Nothing is changed by asking.

A token is a secret: give - to read it from standard input, or @FILE.`,
		Example: `  mintmark explain 019a8c3e-7b1f-7c52-9d0e-3f6a5b8c1d42
  mintmark explain - < token.txt
  mintmark explain @token.txt --output json`,
		Args: arguments("TOKEN|SID|REQUEST-ID"),
		RunE: s.atDesk(func(ctx context.Context, _ *cobra.Command, d desk, args []string) error {
			word, err := s.secretArgument(ctx, args[0])
			if err != nil {
				return err
			}
			told, err := d.tell(ctx, word)
			if err != nil {
				return err
			}
			return s.answerStory(told)
		}),
	}
}

// explanation is what is known of a session, a token or a request.
type explanation struct {
	now       time.Time
	token     *session.Inspection // of a refresh token
	access    bool                // an access token was given
	standing  *session.Standing   // the session, if there is one
	state     *session.State      // nil where it could not be read
	stateErr  error
	policies  policies
	verdict   *session.Decision // of the token, were it presented now
	requestID string
	events    []audit.Event // the oldest first
	cut       bool          // there are more that decided nothing
}

// tell finds out what the word names and gathers the story. errUnexplained.
func (d desk) tell(ctx context.Context, word string) (*explanation, error) {
	told := &explanation{now: time.Now()}
	switch id, err := uuid.Parse(word); {
	case strings.HasPrefix(word, "mrt_"):
		return told, d.tellToken(ctx, told, word)
	case strings.Count(word, ".") == 2:
		told.access = true
		return told, d.tellSession(ctx, told, sidOf(word))
	case err == nil:
		err := d.tellSession(ctx, told, id.String())
		if errors.Is(err, session.ErrNotFound) {
			err = d.tellRequest(ctx, told, id.String())
		}
		return told, err
	}
	return told, d.tellRequest(ctx, told, word)
}

// sidOf reads the sid of an access token, whose signature nobody has checked.
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

func (d desk) tellToken(ctx context.Context, told *explanation, raw string) error {
	mint, err := app.Mint(d.cfg)
	if err != nil {
		return err
	}
	inspected := mint.Inspect(raw)
	told.token = &inspected
	if !inspected.Legible {
		return nil
	}
	// The family alone finds the session: also of a token that was damaged elsewhere.
	standing, err := d.Sessions.StandingByFamily(ctx, inspected.Token.Family.Hash())
	if errors.Is(err, session.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.tellStanding(ctx, told, standing); err != nil || inspected.Defect != "" || told.state == nil {
		return err
	}
	told.foresee()
	return nil
}

// tellSession gathers the story of a session. session.ErrNotFound.
func (d desk) tellSession(ctx context.Context, told *explanation, id string) error {
	standing, err := d.Sessions.StandingByID(ctx, id)
	if err != nil {
		return err
	}
	return d.tellStanding(ctx, told, standing)
}

func (d desk) tellStanding(ctx context.Context, told *explanation, standing session.Standing) error {
	told.standing, told.now = &standing, standing.Now
	state, now, err := d.RotationState(ctx, d.cfg, standing.ID)
	if err == nil {
		told.state, told.now = &state, now
	}
	told.stateErr = err
	if told.policies, err = d.policies(ctx); err != nil {
		return err
	}
	if err := d.tellEvents(ctx, told, audit.Query{SessionID: standing.ID}); err != nil {
		return err
	}
	if ending, found, err := d.ending(ctx, standing); err != nil {
		return err
	} else if found {
		told.events = append(told.events, ending)
	}
	slices.SortStableFunc(told.events, byTime)
	return nil
}

func byTime(a, b audit.Event) int {
	return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID))
}

// tellEvents reads the newest events that the query selects, and all those kinds of
// which a session has one, should there be too many others.
func (d desk) tellEvents(ctx context.Context, told *explanation, query audit.Query) error {
	query.Limit = maxStory + 1
	events, err := d.Events.Events(ctx, query)
	if err != nil {
		return err
	}
	if len(events) <= maxStory {
		told.events = events
		return nil
	}
	told.events, told.cut = events[:maxStory], true
	for _, kind := range []audit.Kind{audit.SessionRevoked, audit.SessionReplayed, audit.SessionStarted} {
		query.Kind = kind
		deciding, err := d.Events.Events(ctx, query)
		if err != nil {
			return err
		}
		for _, e := range deciding[:min(len(deciding), maxStory)] {
			if !slices.ContainsFunc(told.events, func(known audit.Event) bool { return known.ID == e.ID }) {
				told.events = append(told.events, e)
			}
		}
	}
	return nil
}

// ending finds the event of what ended all sessions of the user, and this one
// among them: it committed in the same transaction.
func (d desk) ending(ctx context.Context, standing session.Standing) (audit.Event, bool, error) {
	const together = 5 * time.Second
	kinds := map[string][]audit.Kind{
		session.ReasonUser:     {audit.UserDisabled, audit.UserDeleted},
		session.ReasonPassword: {audit.UserPasswordChanged},
		session.ReasonOperator: {audit.UserSessionsEnded},
	}[standing.RevokeReason]
	for _, kind := range kinds {
		events, err := d.Events.Events(ctx, audit.Query{UserID: standing.UserID, Kind: kind, Limit: maxStory})
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

// foresee tells what would become of the token, were it presented now.
func (told *explanation) foresee() {
	t := told.token.Token
	shown := session.Presented{Generation: t.Generation, IssuedAt: t.IssuedAt, Compromised: t.Compromised}
	decision := session.Decide(told.standing.Row(), *told.state, shown, told.now, told.policies.of(told.standing.ClientID))
	told.verdict = &decision
}

// tellRequest gathers what a request caused. errUnexplained.
func (d desk) tellRequest(ctx context.Context, told *explanation, id string) error {
	if err := d.tellEvents(ctx, told, audit.Query{RequestID: id}); err != nil {
		return err
	}
	if len(told.events) == 0 {
		return errUnexplained
	}
	slices.SortStableFunc(told.events, byTime)
	told.requestID = id
	return nil
}
