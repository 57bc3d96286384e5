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
)
