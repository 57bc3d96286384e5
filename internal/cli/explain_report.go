package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/duration"
	"github.com/mintmark-auth/mintmark/internal/operator"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// maxSentences bounds the prose; the table has everything.
const maxSentences = 10

// answerStory prints the prose and a table of the events, or both as JSON.
func (s *shell) answerStory(story *operator.Story) error {
	report := storyReport{story}
	prose := report.prose()
	if s.output == formatJSON {
		return s.answerJSON(report.json(prose))
	}
	for _, line := range prose {
		fmt.Fprintln(s.stdout, clean(line))
	}
	fmt.Fprintln(s.stdout)
	t := table{
		head:  []string{"WHEN", "WHAT", "VERDICT", "PRESENTED", "CURRENT", "BY", "ADDRESS", "USER AGENT", "REQUEST"},
		empty: "there are no events",
	}
	for _, e := range story.Events {
		t.rows = append(t.rows, []string{
			e.At.Format(time.RFC3339), string(e.Kind), e.Detail["verdict"], e.Detail["generation"], e.Detail["current"],
			actor(e.Actor), e.Address, e.UserAgent, e.RequestID,
		})
	}
	return s.answer(nil, t)
}

// storyReport puts a story into words.
type storyReport struct{ *operator.Story }

// prose is the story in sentences, the most general first.
func (r storyReport) prose() []string {
	var lines []string
	if r.Token != nil {
		lines = append(lines, r.aboutToken()...)
	}
	if r.Access {
		lines = append(lines, "This is an access token; its signature was not checked here. It names the session below.")
	}
	if r.Session != nil {
		lines = append(lines, r.aboutSession()...)
	}
	if r.Removed != "" {
		lines = append(lines, fmt.Sprintf("Session %s is no longer in the database: it was over for longer than MINTMARK_SESSION_RETENTION, and its tokens are refused. This is what the audit trail has of it.", r.Removed))
	}
	if r.Verdict != nil {
		policy := r.Policy
		lines = append(lines, fmt.Sprintf("Presented now, the token would be %s: %s; with a grace of %s and an idle lifetime of %s, as configured here.",
			r.Verdict.Verdict, verdictMeans(r.Verdict.Verdict), duration.Spell(policy.Grace), duration.Spell(policy.Idle)))
	}
	if r.RequestID != "" {
		lines = append(lines, fmt.Sprintf("Request %s left %d event(s); `mintmark explain SID` prints the whole history of a session.", r.RequestID, len(r.Events)))
	}
	if r.Cut {
		lines = append(lines, fmt.Sprintf("Only the newest %d events are listed, and those that began or ended a session.", operator.MaxStory))
	}
	return append(lines, r.sentences()...)
}

// sentences describe the events. Refusals in a row become one sentence. If there are
// too many events, it leaves out those that decided nothing, the oldest first.
func (r storyReport) sentences() []string {
	var events []audit.Event
	var refusals []int // of each event, how many in a row it ends
	for _, e := range r.Events {
		last := len(events) - 1
		switch {
		case sentenceOf(e, r.RequestID != "") == "":
		case last >= 0 && e.Kind == audit.SessionRefused && events[last].Kind == e.Kind && events[last].SessionID == e.SessionID:
			events[last] = e
			refusals[last]++
		default:
			events, refusals = append(events, e), append(refusals, 1)
		}
	}
	left := max(0, len(events)-maxSentences)
	var lines []string
	if left > 0 {
		lines = append(lines, fmt.Sprintf("%d more events of this kind happened; the table has them.", left))
	}
	for i, e := range events {
		if left > 0 && passing(e.Kind) {
			left--
			continue
		}
		sentence := sentenceOf(e, r.RequestID != "")
		if refusals[i] > 1 {
			sentence = fmt.Sprintf("It was refused %d times, the last at %s", refusals[i], sentence)
		}
		lines = append(lines, sentence)
	}
	return lines
}

// passing reports whether events of a kind left a session as it was.
func passing(kind audit.Kind) bool {
	switch kind {
	case audit.SessionRefused, audit.SessionRepeated, audit.SessionSkipped, audit.SessionHealed, audit.SessionCompromisedKey:
		return true
	}
	return false
}

func (r storyReport) aboutToken() []string {
	t := r.Token
	switch {
	case !t.Legible:
		return []string{"This is not a refresh token: " + t.Defect + "."}
	case t.Defect != "" && r.Session != nil:
		return []string{fmt.Sprintf("This refresh token is invalid, although the session that it names is known here: %s.", t.Defect)}
	case t.Defect != "":
		return []string{fmt.Sprintf("This refresh token is not from this authority: %s.", t.Defect)}
	}
	mark := ""
	if t.Token.Compromised {
		mark = ", which is marked compromised"
	}
	lines := []string{fmt.Sprintf("The refresh token is from this authority: generation %d, issued %s, under the root secret %d%s.",
		t.Token.Generation, stampWithAge(t.Token.IssuedAt, r.Now), t.KeyID, mark)}
	if r.Session == nil {
		lines = append(lines, "Its session is not in this database: it was over long ago and has been removed, it belongs to another database, or to a time after the backup that this one was restored from.")
	}
	return lines
}

func (r storyReport) aboutSession() []string {
	s := r.Session
	user := s.Username
	if user == "" {
		user = "a deleted user"
	}
	lines := []string{fmt.Sprintf("Session %s: %s (%s) logged in through %s %s, from %s with %q.",
		s.ID, user, s.UserID, s.ClientID, stampWithAge(s.CreatedAt, r.Now), s.Address, s.UserAgent)}
	switch {
	case r.State == operator.Revoked:
		lines = append(lines, fmt.Sprintf("It ended %s: %s.", stampWithAge(s.RevokedAt, r.Now), reasonMeans(s.RevokeReason)))
	case s.Ended():
		lines = append(lines, "It is over: its user or client is disabled, or all sessions of the user were ended.")
	case r.State == operator.Expired:
		lines = append(lines, fmt.Sprintf("It reached the end of its lifetime %s.", stampWithAge(s.AbsoluteExpiry, r.Now)))
	case r.State == operator.Lapsed:
		lines = append(lines, fmt.Sprintf("It has lapsed: it was last used %s, and the idle lifetime is %s, as configured here.",
			stampWithAge(s.LastSeenAt, r.Now), duration.Spell(r.Policy.Idle)))
	default:
		lines = append(lines, fmt.Sprintf("It is live, until %s at the latest.", stampWithAge(s.AbsoluteExpiry, r.Now)))
	}
	return append(lines, r.aboutState())
}

func (r storyReport) aboutState() string {
	s := r.Session
	checkpoint := fmt.Sprintf("the checkpoint is %d, of %s", s.Checkpoint, stampWithAge(s.LastSeenAt, r.Now))
	switch {
	case r.Rotation == nil:
		return fmt.Sprintf("Its rotation state could not be read (%v); %s.", r.RotationErr, checkpoint)
	case r.Rotation.Cur <= s.Checkpoint:
		return fmt.Sprintf("No rotation beyond the checkpoint is stored, so generation %d counts as current; %s.", s.Checkpoint, checkpoint)
	}
	return fmt.Sprintf("Generation %d is current, issued %s in exchange for %d; %s.",
		r.Rotation.Cur, stampWithAge(r.Rotation.RotatedAt, r.Now), r.Rotation.Prev, checkpoint)
}

// sentenceOf is about an event that bears on whether a refresh is granted.
func sentenceOf(e audit.Event, always bool) string {
	if e.Kind == audit.LoginRefused {
		return refusedLogin(e)
	}
	at := e.At.Format(time.RFC3339)
	if verdict := e.Detail["verdict"]; verdict != "" {
		current := ""
		if e.Detail["current"] != "" {
			current = " while " + e.Detail["current"] + " was current"
		}
		return fmt.Sprintf("%s: generation %s was presented from %s with %q%s: %s. The login came from %s with %q.",
			at, e.Detail["generation"], e.Address, e.UserAgent, current, verdict, e.Detail["login_address"], e.Detail["login_user_agent"])
	}
	if by := e.Detail["by_session"]; by != "" {
		return fmt.Sprintf("%s: the user ended it from the session %s, from %s with %q.", at, by, e.Address, e.UserAgent)
	}
	if always || e.Kind != audit.SessionStarted {
		return fmt.Sprintf("%s: %s, by %s.", at, e.Kind, actor(e.Actor))
	}
	return ""
}

// actor names the kind of an actor and which one it is, where that is on record.
func actor(a audit.Actor) string {
	return strings.TrimSpace(string(a.Kind) + " " + a.ID)
}

func reasonMeans(reason string) string {
	means, known := map[string]string{
		session.ReasonLogout:    "the user logged out",
		session.ReasonRevoked:   "its refresh token was revoked",
		session.ReasonReplay:    "a refresh token was used twice, so two parties held it",
		session.ReasonPassword:  "the user's password was changed",
		session.ReasonUser:      "the user was disabled or deleted",
		session.ReasonClient:    "the client was disabled",
		session.ReasonOperator:  "an operator ended it",
		session.ReasonElsewhere: "the user ended it from another session",
		session.ReasonLimit:     "the user had more sessions with this client than MINTMARK_SESSIONS_PER_CLIENT, and it was idle for longest",
	}[reason]
	if !known {
		return reason
	}
	return means
}

func verdictMeans(v session.Verdict) string {
	return map[session.Verdict]string{
		session.Revoked:  "the session is over, log in again",
		session.Expired:  "the idle lifetime of the token or the absolute one of the session has passed",
		session.Renewed:  "tokens of this client don't rotate, so it would be issued again",
		session.Rotated:  "it is the newest, so its successor would be issued",
		session.Repeated: "it is the one before the newest and within the grace, so the same successor would be issued again",
		session.Skipped:  "it is the one before the newest, and its unused successor would become invalid",
		session.Healed:   "it is newer than the stored state, so the store has lost writes; its successor would be issued",
		session.Replayed: "it was used before, and the session would end",
	}[v]
}
