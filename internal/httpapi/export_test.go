package httpapi

// What the tests look at from outside.
var (
	ParseStrings  = parseStrings
	ParseForm     = parseForm
	ClientAddress = clientAddress
	LimitAddress  = limitAddress
	MatchesETag   = matchesETag
	ErrRequest    = errRequest
)
