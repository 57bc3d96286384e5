package httpapi

// The ten messages of the first-party API, in the one order in which they are
// documented. A refresh that succeeds says RefreshTokenSuccess; AccessTokenSuccess
// has no text of its own.
const (
	LoginSuccess            = "User logged in successfully."
	InvalidCredentials      = "Invalid credentials."
	UserAlreadyExists       = "User already exists."
	UserCreationFailed      = "User creation failed."
	UserCreatedSuccessfully = "User created successfully."
	InvalidRequest          = "Invalid request."
	InvalidTokenPair        = "Invalid access token or refresh token."
	AccessTokenSuccess      = ""
	RefreshTokenSuccess     = "Token refreshed successfully."
	UnexpectedError         = "An unexpected error occurred."
)

// What the transport itself has to say in the same envelope.
const (
	logoutSuccess    = "User logged out successfully."
	sessionsListed   = "Sessions listed successfully."
	sessionEnded     = "Session ended successfully."
	othersEnded      = "All other sessions ended successfully."
	noSuchSession    = "No such session."
	invalidBearer    = "Invalid access token."
	tooManyRequests  = "Too many requests."
	unavailable      = "Temporarily unavailable."
	requestTooLarge  = "Request too large."
	requestTimeout   = "Request timeout."
	switchedOff      = "This API is switched off."
	notFound         = "Not found."
	methodNotAllowed = "Method not allowed."
	misdirected      = "Misdirected request."
)

// codeOf is what a program knows a refusal by, beside the message for people: it stays
// the same when the message changes. Messages of success have none.
func codeOf(message string) string {
	switch message {
	case InvalidCredentials:
		return "invalid_credentials"
	case UserAlreadyExists:
		return "user_already_exists"
	case UserCreationFailed:
		return "user_creation_failed"
	case InvalidRequest:
		return "invalid_request"
	case InvalidTokenPair:
		return "invalid_token_pair"
	case UnexpectedError:
		return "unexpected_error"
	case noSuchSession:
		return "no_such_session"
	case invalidBearer:
		return "invalid_access_token"
	case tooManyRequests:
		return "too_many_requests"
	case unavailable:
		return "temporarily_unavailable"
	case requestTooLarge:
		return "request_too_large"
	case requestTimeout:
		return "request_timeout"
	case switchedOff:
		return "switched_off"
	case notFound:
		return "not_found"
	case methodNotAllowed:
		return "method_not_allowed"
	case misdirected:
		return "misdirected_request"
	default:
		return ""
	}
}
