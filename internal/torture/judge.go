package torture

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// answer is what came back for a request.
type answer struct {
	status    int
	challenge string // WWW-Authenticate
	hung      bool   // nothing in time
	lost      error  // why the connection broke, if it did
	within    time.Duration
}

func (a answer) success() bool { return a.status >= 200 && a.status < 300 }

// tooLarge says that the server did not want to read so much; some have 400 for it.
func (a answer) tooLarge() bool {
	switch a.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge:
		return true
	}
	return false
}

// words says what came back.
func (a answer) words() string {
	switch {
	case a.hung:
		return fmt.Sprintf("nothing for %v", a.within)
	case a.lost != nil:
		return "the connection broke"
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)))
}

// judge holds an answer against what the service owes.
func judge(must Must, s shot, a answer) *Outcome {
	o := &Outcome{Sent: s.sent, Got: a.words(), Verdict: Passed, trap: s.trap, answer: a}
	switch {
	case a.hung:
		o.Verdict = Hung
	case a.lost != nil, a.status >= 500:
		o.Verdict = Crashed
	case a.status == http.StatusTooManyRequests && must == Accept:
		o.Verdict = Unclear
	case must == Accept && !a.success():
		o.Verdict = WronglyRefused
	case must == Refuse && a.success():
		o.Verdict = WronglyAccepted
	case s.moot && (a.status == http.StatusMethodNotAllowed || a.status == http.StatusNotFound || a.status == http.StatusUnsupportedMediaType):
		o.Verdict = NotTried
	case a.status == http.StatusTooManyRequests:
		o.Verdict = Unclear
	case must == Refuse:
		o.Remark = refusalRemark(s, a)
	}
	return o
}

// refusalRemark says how a refusal differs from RFC 6750 §3.
func refusalRemark(s shot, a answer) string {
	want := s.want
	if want == 0 {
		want = http.StatusUnauthorized
	}
	scheme, _, _ := strings.Cut(strings.TrimSpace(a.challenge), " ")
	switch {
	case a.status == http.StatusUnauthorized && !strings.EqualFold(scheme, "Bearer"):
		return "401 without WWW-Authenticate: Bearer (RFC 6750 §3)"
	case a.status == want, a.status == http.StatusBadRequest:
		return ""
	case s.bulky() && a.tooLarge():
		return ""
	}
	return fmt.Sprintf("refused with %d where RFC 6750 §3.1 has %d", a.status, want)
}
