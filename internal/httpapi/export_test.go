package httpapi

import "net"

// What the tests look at from outside.
var (
	ParseStrings = parseStrings
	IsRequestID  = isRequestID
	TraceID      = traceID
	LimitAddress = limitAddress
	MatchesETag  = matchesETag
	ErrRequest   = errRequest
)

// StrictConn is a connection that refuses ambiguous framing.
func StrictConn(c net.Conn) net.Conn { return &strictConn{Conn: c} }
