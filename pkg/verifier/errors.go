package verifier

import "errors"

// ErrInvalidToken is in the chain of every error that reports an invalid token: answer 401 (RFC 6750 §3.1).
var ErrInvalidToken = errors.New("invalid token")

// These errors report that the token could not be checked: answer 503 and let the caller try again.
var (
	// ErrKeysUnavailable reports that the issuer's keys could not be read. While there are keys, a token with an unknown kid
	// gets it once in ten seconds at most, and else an [ErrInvalidToken]: its sender may have made it up.
	ErrKeysUnavailable = errors.New("the issuer's keys are unavailable")
	// ErrStatusUnavailable reports that the token's status list could not be read; only with [StatusFailClosed].
	ErrStatusUnavailable = errors.New("the token's status is unavailable")
	// ErrIntrospectionUnavailable reports that the issuer could not be asked; only with [WithIntrospection].
	ErrIntrospectionUnavailable = errors.New("the issuer cannot be asked about the token")
)

// errProofsFull reports that there are too many recent proofs of possession to tell another one from a replay.
var errProofsFull = errors.New("too many proofs of possession within their lifetime")

// defect is what is wrong with a token, as a fixed text that contains nothing of the token and only characters that an
// error_description may hold (RFC 6750 §3).
type defect string

func (d defect) Error() string { return ErrInvalidToken.Error() + ": " + string(d) }

// Is makes every defect an [ErrInvalidToken].
func (d defect) Is(target error) bool { return target == ErrInvalidToken }

// proofDefect is what is wrong with a proof of possession; the same rules hold for its text.
type proofDefect string

func (d proofDefect) Error() string { return "invalid proof of possession: " + string(d) }

// Is makes every proofDefect an [ErrInvalidToken]: the token is not valid for this sender.
func (d proofDefect) Is(target error) bool { return target == ErrInvalidToken }

const (
	errSignature  = defect("the signature does not match the key that the header names")
	errUnknownKey = defect("the issuer publishes no key with the kid of this token")
	errUnseenKey  = defect("no key with the kid of this token was seen at the issuer, which is asked again soon")
	errUnasked    = defect("the issuer is not asked about it now, since too many tokens came that it does not know")
	errRevoked    = defect("its session has ended")
	errBound      = defect("it is bound to a key, and was sent without a proof that this service checks (cnf)")
)

// ErrRefused reports, to [Metrics].Fetched, that the issuer did answer, with a document that this verifier refuses: its
// signature or form is wrong, or its times are, such as those of a status list from the future. A verifier that keeps
// refusing lists learns of no revocation.
var ErrRefused = errors.New("the answer is refused")

// unusable is what is wrong with a document of the issuer.
type unusable struct{ error }

func (u unusable) Unwrap() error { return u.error }

// Is makes every unusable document an [ErrRefused].
func (u unusable) Is(target error) bool { return target == ErrRefused }

// malformed returns what is wrong with a document of the issuer, without the words that a defect says about tokens.
func malformed(err error) error {
	var d defect
	if errors.As(err, &d) {
		err = errors.New(string(d))
	}
	return unusable{err}
}
