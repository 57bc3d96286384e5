// Package dial connects to the stores in such a way that a connection that died without a word is found out: one that
// is idle within ten seconds, by keep-alive, and one whose data is not acknowledged within five, where the system can
// tell. It doesn't bound how long an answer takes; that is for the caller.
package dial

import (
	"net"
	"time"
)

// unacknowledged is how long what was sent may go without the other side's kernel confirming it.
const unacknowledged = 5 * time.Second

// Dialer makes connections, each within that time.
func Dialer(within time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout:         within,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3},
		Control:         control,
	}
}
