package httpapi

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/oauth"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// Refusals of the transport itself.
var (
	errRequest     = errors.New("malformed request")
	errHost        = errors.New("another host")
	errNotFound    = errors.New("no such path")
	errMethod      = errors.New("method not allowed")
	errURITooLong  = errors.New("request target too long")
	errHeaders     = errors.New("header fields too large")
	errSlowBody    = errors.New("request body did not arrive in time")
	errPanic       = errors.New("handler panicked")
	errWait        = errors.New("wait is out of bounds")
	errIfNoneMatch = errors.New("If-None-Match too long")
	errHistory     = errors.New("status lists of the past are not kept")
	// errBasic is a client that failed to authenticate by HTTP Basic.
	errBasic = errors.New("client authentication by Basic failed")
	// errNoBearer is a request without an access token where one is needed.
	errNoBearer = errors.New("no access token")
	// errBearers is a request with more than one (RFC 6750 §3.1).
	errBearers = errors.New("more than one access token")
)

// statusHungUp marks a request whose caller did not wait for the answer.
const statusHungUp = 499

// refusal is an error as the caller sees it, in every spelling.
type refusal struct {
	status      int
	message     string     // first-party envelope
	code        oauth.Code // RFC 6749 §5.2
	description string
	data        any           // first-party: what to mend
	retryAfter  time.Duration // 0: no Retry-After
	challenge   string        // WWW-Authenticate, "" for none
	err         error         // what was refused
}

// Challenges: the first for clients (RFC 6749 §5.2), the others for bearers of an
// access token (RFC 6750 §3), without an error code where there was none.
const (
	basicChallenge    = `Basic realm="mintmark", charset="UTF-8"`
	bearerChallenge   = `Bearer realm="mintmark"`
	bearersChallenge  = bearerChallenge + `, error="invalid_request", error_description="more than one Authorization header"`
	badTokenChallenge = bearerChallenge + `, error="invalid_token", error_description="the access token is invalid or expired, or its session has ended"`
)

// answerError writes the answer to an error, as its surface spells it.
func (s *Server) answerError(c *gin.Context, err error) {
	if errors.Is(err, context.Canceled) && c.Request.Context().Err() != nil {
		c.Status(statusHungUp) // the caller is gone; the log and metrics distinguish it from trouble
		return
	}
	a := answerTo(err)
	a.err = err
	switch {
	case a.status == http.StatusNotImplemented: // what is not offered is no trouble
	case errors.Is(err, revocation.ErrStale): // its cause is told once, not by each of thousands that follow a list
		s.Log.Debug("request not served", "route", c.FullPath(), "request", requestID(c), "err", err)
	case a.status >= http.StatusInternalServerError:
		s.Log.Error("request not served", "route", c.FullPath(), "request", requestID(c), "err", err)
	}
	if c.Writer.Written() {
		return
	}
	if a.retryAfter > 0 {
		c.Header("Retry-After", strconv.Itoa(int((a.retryAfter+time.Second-1)/time.Second)))
	}
	if a.challenge != "" {
		c.Header("WWW-Authenticate", a.challenge)
	}
	surfaceOf(c).refuse(c, a)
}

// refuseInEnvelope answers in the envelope of the first-party API. That its only client is
// disabled means that the API is switched off.
func refuseInEnvelope(c *gin.Context, a refusal) {
	if errors.Is(a.err, authority.ErrClient) {
		a.status = http.StatusForbidden
	}
	writeEnvelope(c, a.status, a.message, a.data)
}

// refuseInOAuth answers as RFC 6749 §5.2 has it.
func refuseInOAuth(c *gin.Context, a refusal) {
	writeJSON(c, a.status, oauthError{Error: a.code, Description: a.description})
}

// oauthError is the body of RFC 6749 §5.2.
type oauthError struct {
	Error       oauth.Code `json:"error"`
	Description string     `json:"error_description,omitempty"`
}

// answerTo is the one mapping from errors to answers. What it doesn't know comes
// from a store, and a store in trouble is never a refusal: 503, try again.
func answerTo(err error) refusal {
	var (
		refused  *oauth.Error
		exceeded *ratelimit.Exceeded
		invalid  *authority.InvalidRegistration
		tooLarge *http.MaxBytesError
	)
	switch {
	case errors.As(err, &refused):
		return refusal{status: http.StatusBadRequest, message: InvalidRequest, code: refused.Code, description: refused.Description}
	case errors.As(err, &exceeded):
		return refusal{status: http.StatusTooManyRequests, message: tooManyRequests, code: oauth.TemporarilyUnavailable,
			description: "too many requests; wait as Retry-After says", retryAfter: exceeded.RetryAfter}
	case errors.As(err, &tooLarge):
		return refusal{status: http.StatusRequestEntityTooLarge, message: requestTooLarge, code: oauth.InvalidRequest, description: "the body is larger than 64 KiB"}
	case errors.As(err, &invalid):
		return refusal{status: http.StatusBadRequest, message: UserCreationFailed, data: broken(invalid.Problems...)}
	}
	for _, known := range knownAnswers() {
		if errors.Is(err, known.err) {
			return known.answer
		}
	}
	return refusal{status: http.StatusServiceUnavailable, message: unavailable, code: oauth.TemporarilyUnavailable,
		description: "temporarily unavailable; try again as Retry-After says", retryAfter: jitteredRetry()}
}

// knownAnswer is the answer to one sentinel error.
type knownAnswer struct {
	err    error
	answer refusal
}

func knownAnswers() []knownAnswer {
	return []knownAnswer{
		{errRequest, refusal{status: http.StatusBadRequest, message: InvalidRequest, code: oauth.InvalidRequest, description: "the request is malformed"}},
		{errHost, refusal{status: http.StatusMisdirectedRequest, message: misdirected, code: oauth.InvalidRequest, description: "this listener doesn't answer to that host; use its IP address, or set MINTMARK_ISSUER or MINTMARK_OPS_HOSTS"}},
		{errNotFound, refusal{status: http.StatusNotFound, message: notFound, code: oauth.InvalidRequest, description: "there is nothing at this path; /openapi.yaml lists what there is"}},
		{errMethod, refusal{status: http.StatusMethodNotAllowed, message: methodNotAllowed, code: oauth.InvalidRequest, description: "the method is not allowed here; Allow lists those that are"}},
		{errURITooLong, refusal{status: http.StatusRequestURITooLong, message: requestTooLarge, code: oauth.InvalidRequest, description: "the request target is longer than 8 KiB"}},
		{errSlowBody, refusal{status: http.StatusRequestTimeout, message: requestTimeout, code: oauth.InvalidRequest, description: "the body did not arrive in time"}},
		{errHeaders, refusal{status: http.StatusRequestHeaderFieldsTooLarge, message: requestTooLarge, code: oauth.InvalidRequest, description: "the header fields are larger than 32 KiB or more than 100"}},
		{errPanic, refusal{status: http.StatusInternalServerError, message: UnexpectedError, code: oauth.ServerError}},
		{errWait, refusal{status: http.StatusBadRequest, code: oauth.InvalidRequest, description: "wait is a whole number of seconds from 0 to 25, given once"}},
		{errIfNoneMatch, refusal{status: http.StatusRequestHeaderFieldsTooLarge, code: oauth.InvalidRequest, description: "If-None-Match is longer than 1 KiB; name the newest list you have"}},
		{errHistory, refusal{status: http.StatusNotImplemented, code: oauth.InvalidRequest, description: "status lists of the past are not served; leave time out"}},
		{revocation.ErrStale, refusal{status: http.StatusServiceUnavailable, code: oauth.TemporarilyUnavailable, description: "what was revoked is not known at the moment; try again as Retry-After says", retryAfter: soon()}},
		{errBasic, refusal{status: http.StatusUnauthorized, code: oauth.InvalidClient, description: "client authentication failed", challenge: basicChallenge}},
		{errNoBearer, refusal{status: http.StatusUnauthorized, message: invalidBearer, challenge: bearerChallenge}},
		{errBearers, refusal{status: http.StatusBadRequest, message: InvalidRequest, challenge: bearersChallenge}},

		{authority.ErrCredentials, refusal{status: http.StatusBadRequest, message: InvalidCredentials}},
		{authority.ErrGrant, refusal{status: http.StatusBadRequest, message: InvalidTokenPair, code: oauth.InvalidGrant, description: "the refresh token is invalid, expired, revoked or was issued to another client"}},
		{authority.ErrClient, refusal{status: http.StatusUnauthorized, message: switchedOff, code: oauth.InvalidClient, description: "client authentication failed"}},
		{authority.ErrBearer, refusal{status: http.StatusUnauthorized, message: invalidBearer, challenge: badTokenChallenge}},
		{authority.ErrSession, refusal{status: http.StatusNotFound, message: noSuchSession}},
		{authority.ErrAccessToken, refusal{status: http.StatusBadRequest, code: oauth.UnsupportedTokenType, description: "revoke the refresh token; its access tokens end with it"}},
		{authority.ErrRegistrationClosed, refusal{status: http.StatusForbidden, message: UserCreationFailed, data: broken(user.ProblemRegistrationClosed)}},

		{user.ErrUsernameTaken, refusal{status: http.StatusBadRequest, message: UserAlreadyExists}},
		{user.ErrEmailTaken, refusal{status: http.StatusBadRequest, message: UserCreationFailed, data: broken(user.ProblemEmailTaken)}},
	}
}

// jitteredRetry spreads the return of callers that failed together over 1 to 3 s.
func jitteredRetry() time.Duration {
	return time.Duration(1+rand.IntN(3)) * time.Second //nolint:gosec // jitter, nothing to guess
}

// soon spreads the return of those that follow the lists over a second, within what
// they are promised of a revocation.
func soon() time.Duration {
	return time.Duration(1+rand.IntN(2)) * time.Second //nolint:gosec // jitter, nothing to guess
}
