// Package oauth is the vocabulary of the protocol: error codes, grant types and token types as the RFCs spell them. It
// depends on no transport and no store.
package oauth

// Grant types (RFC 6749, RFC 7591 §2).
const (
	GrantRefreshToken = "refresh_token"
)

// TokenTypeBearer is the token_type of RFC 6750.
const TokenTypeBearer = "Bearer"

// Code is an error code of RFC 6749 §5.2 or of a later document.
type Code string

// Error codes.
const (
	InvalidRequest         Code = "invalid_request"         // RFC 6749 §5.2
	InvalidClient          Code = "invalid_client"          // RFC 6749 §5.2
	InvalidGrant           Code = "invalid_grant"           // RFC 6749 §5.2
	InvalidScope           Code = "invalid_scope"           // RFC 6749 §5.2
	InvalidTarget          Code = "invalid_target"          // RFC 8707 §2
	UnauthorizedClient     Code = "unauthorized_client"     // RFC 6749 §5.2
	UnsupportedGrantType   Code = "unsupported_grant_type"  // RFC 6749 §5.2
	UnsupportedTokenType   Code = "unsupported_token_type"  // RFC 7009 §2.2.1
	TemporarilyUnavailable Code = "temporarily_unavailable" // RFC 6749 §4.1.2.1
	ServerError            Code = "server_error"            // RFC 6749 §4.1.2.1
)

// Error is a refusal in the words of the protocol. The description is for the
// developer of the client and holds nothing that the caller sent.
type Error struct {
	Code        Code
	Description string // printable ASCII without quote and backslash (RFC 6749 §5.2)
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Description }

// Refuse returns the refusal of that code.
func Refuse(code Code, description string) *Error {
	return &Error{Code: code, Description: description}
}
