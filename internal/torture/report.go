package torture

// Verdict is what came of a case.
type Verdict string

// The verdicts, from the good one to those that say nothing.
const (
	Passed          Verdict = "passed"
	WronglyAccepted Verdict = "wrongly accepted"
	WronglyRefused  Verdict = "wrongly refused"
	Fetched         Verdict = "fetched" // it asked a URL that a forger wrote into a token
	Crashed         Verdict = "crashed" // 5xx, or a connection that broke
	Hung            Verdict = "hung"    // no answer in time
	Unclear         Verdict = "unclear" // too many requests for it
	NotTried        Verdict = "not tried"
)

// Verdicts lists them all, the failures from the worst to the mildest.
func Verdicts() []Verdict {
	return []Verdict{Passed, WronglyAccepted, Fetched, Crashed, Hung, WronglyRefused, Unclear, NotTried}
}

// rank orders verdicts: that of a case is the worst of its variants.
func (v Verdict) rank() int {
	for i, one := range []Verdict{NotTried, Passed, Unclear, WronglyRefused, Hung, Crashed, Fetched, WronglyAccepted} {
		if one == v {
			return i
		}
	}
	return 0
}

// Failed reports whether the verdict speaks against the service, or leaves it unproven though it was tried.
func (v Verdict) Failed() bool { return v != Passed && v != NotTried }

// Outcome is what came of one variant of a case.
type Outcome struct {
	Sent    string // in words
	Got     string // in words: a status, or why there is none
	Verdict Verdict
	Remark  string // what could be better, though it passed

	trap   string
	answer answer
}

// Result is what came of a case.
type Result struct {
	Case     Case
	Verdict  Verdict
	Why      string // of NotTried: what is missing
	Outcomes []*Outcome
}

// Report is what came of all of them.
type Report struct {
	URL      string
	Issuer   string
	Audience string
	Results  []Result
	// Stopped says why the run ended early, if it did: the cases behind that are NotTried.
	Stopped string
	// Requests is how many were sent.
	Requests int
}

// Failed reports whether anything went wrong.
func (r *Report) Failed() bool {
	for _, one := range r.Results {
		if one.Verdict.Failed() {
			return true
		}
	}
	return r.Stopped != ""
}

// Count is the number of cases with a verdict.
func (r *Report) Count(v Verdict) int {
	n := 0
	for _, one := range r.Results {
		if one.Verdict == v {
			n++
		}
	}
	return n
}
