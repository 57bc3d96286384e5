package verifier

import "time"

const (
	// maxPoll is how long the issuer is asked to hold a request until its list changes.
	maxPoll = 25 * time.Second
	// minPoll is the least that is asked for where something on the way cuts longer requests.
	minPoll = 2 * time.Second
	// maxBackoff bounds the pause after a failure, so that a revocation arrives within seconds of the repair.
	maxBackoff = 2 * time.Second
	// firstBackoff is the first pause.
	firstBackoff = 100 * time.Millisecond
	// briskness is the pause after the second answer in a row that came at once: a list that changes all the time, or
	// a server that does not wait, is asked some three times a second.
	briskness = 400 * time.Millisecond
	// untagged is the pause after a list without ETag, for which no server can wait.
	untagged = 2 * time.Second
)

// pace is how a list is asked for: it decides and does nothing.
type pace struct {
	poll     time.Duration // to ask for in the next request; 0 is maxPoll
	failures int           // in a row
	quick    bool          // the last answer came at once
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
	switch {
	case what == failed:
		backoff := min(firstBackoff<<min(p.failures, 10), maxBackoff)
		poll := p.poll
		if asked := p.wait(); took >= minPoll && took < asked {
			poll = max(took*3/4, minPoll) // something on the way has a limit: stay below it
		}
		return pace{poll: poll, failures: p.failures + 1}, jittered(backoff)
	case what == untaggedChange:
		return pace{poll: p.poll}, jittered(untagged)
	case took < time.Second && p.quick:
		return pace{poll: p.poll, quick: true}, jittered(briskness)
	case took < time.Second:
		return pace{poll: p.poll, quick: true}, 0
	}
	return pace{poll: min(p.wait()+time.Second, maxPoll)}, 0
}

// wait is how long to ask the issuer to hold the next request.
func (p pace) wait() time.Duration {
	if p.poll == 0 {
		return maxPoll
	}
	return p.poll
}
