package verifier

import "time"

const (
	// maxPoll is how long the issuer is asked to hold a request until its list changes. A replica that freezes while it holds
	// one is given up pollGrace later, and the next request goes to another, all within the 5 s that a revocation may take.
	maxPoll = 3 * time.Second
	// pollGrace is how much longer than it was asked to wait the issuer may take for an answer.
	pollGrace = time.Second
	// plainPolls is how many requests do not wait after one has failed: an issuer that lets nobody wait has too many who do.
	plainPolls = 5
	// maxBackoff bounds the pause after a failure, so that a revocation arrives within seconds of the repair.
	maxBackoff = 2 * time.Second
	// firstBackoff is the first pause.
	firstBackoff = 100 * time.Millisecond
	// briskness is the pause after the second list in a row that came at once: one that changes all the time is asked for some
	// three times a second.
	briskness = 400 * time.Millisecond
	// unwaited is the pause after an answer that nobody has waited with, and untagged that after a list without ETag, with
	// which nobody can.
	unwaited = time.Second
	untagged = 2 * time.Second
)

// pace is how a list is asked for: it decides and does nothing.
type pace struct {
	failures int  // in a row
	plain    int  // how many requests are not to wait
	quick    bool // the last list came at once
}

// polled is what became of a request.
type polled int

const (
	failed         polled = iota
	unchanged             // 304
	changed               // 200 with an ETag
	untaggedChange        // 200 without, or by a request without: nobody has waited
)

// next returns the pace after a request that took so long, and the pause before the next one. random is in [0, 1):
// the replicas of a service must not come back in step.
func (p pace) next(what polled, took time.Duration, random float64) (pace, time.Duration) {
	jittered := func(d time.Duration) time.Duration { return d/2 + time.Duration(random*float64(d/2)) }
	if what == failed {
		backoff := min(firstBackoff<<min(p.failures, 10), maxBackoff)
		return pace{failures: p.failures + 1, plain: plainPolls, quick: p.quick}, jittered(backoff)
	}
	next := pace{plain: max(p.plain-1, 0)}
	if took >= time.Second {
		return next, 0
	}
	switch what {
	case untaggedChange:
		return next, jittered(untagged)
	case unchanged:
		next.quick = p.quick
		return next, jittered(unwaited)
	default:
		next.quick = true
		if p.quick {
			return next, jittered(briskness)
		}
		return next, 0
	}
}

// wait is how long to ask the issuer to hold the next request.
func (p pace) wait() time.Duration {
	if p.plain > 0 {
		return 0
	}
	return maxPoll
}
