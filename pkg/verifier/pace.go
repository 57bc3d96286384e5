package verifier

import "time"

const (
	// maxPoll is how long the verifier asks the issuer to hold a request until its list changes. If a replica freezes
	// while it holds one, the verifier gives it up pollGrace later and asks another, all within the 5 s that a
	// revocation may take.
	maxPoll = 3 * time.Second
	// pollGrace is how long the issuer may take for an answer beyond the time that it was asked to wait.
	pollGrace = time.Second
	// plainPolls is how many requests do not wait after one has failed: an issuer that refuses waiting requests already
	// has too many.
	plainPolls = 5
	// maxBackoff bounds the pause after a failure, so that revocations arrive within seconds once the issuer is back.
	maxBackoff = 2 * time.Second
	// firstBackoff is the first pause.
	firstBackoff = 100 * time.Millisecond
	// briskness is the pause after the second list in a row that came at once: a list that changes all the time is
	// requested about three times a second.
	briskness = 400 * time.Millisecond
	// unwaited is the pause after an answer to a request that did not wait, and untagged the pause after a list without
	// an ETag, for which no request can wait.
	unwaited = time.Second
	untagged = 2 * time.Second
)

// pace decides when and how a list is requested. It does no I/O.
type pace struct {
	failures int  // in a row
	plain    int  // number of coming requests that must not wait
	quick    bool // the last list came at once
}

// polled is the outcome of a request.
type polled int

const (
	failed         polled = iota
	unchanged             // 304
	changed               // 200 with an ETag
	untaggedChange        // 200 without, or after a request without: the request did not wait
)

// next returns the pace after a request that took the given time, and the pause before the next one. random is in [0,
// 1), so that the replicas of a service don't come back in step.
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
