package verifier

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Policy is what [Verifier.Enforce] requires of a token, besides that it is valid.
type Policy struct {
	// Scopes are the scopes that the token must grant, all of them (RFC 6750 §3.1).
	Scopes []string
	// ACR are the acceptable authentication context classes; the token must have one of them (RFC 9470).
	ACR []string
	// MaxAge is how long ago the user may have authenticated at most, in whole seconds; 0 sets no limit (RFC 9470).
	MaxAge time.Duration
}

// Require returns middleware that lets a request pass only with a valid token that grants all scopes; the handler finds
// it with [FromContext]. It panics on a scope that no token can contain (RFC 6749 §3.3), such as two in one string, so
// that this programming mistake is found when the service starts.
//
// Require reads the token from the Authorization header only. It answers refused requests as RFC 6750 §3.1, RFC 9449
// §7.1 and RFC 9470 §3 say:
//
//	no token, or an empty one                   401, a challenge without error code
//	a token that is broken, foreign, expired …  401 invalid_token
//	no proof of possession where one is due     401 invalid_dpop_proof
//	more than one Authorization header          400 invalid_request
//	a scope is missing                          403 insufficient_scope
//	another authentication is needed            401 insufficient_user_authentication
//	nothing is known about the token            503 temporarily_unavailable with Retry-After
//
// A CORS preflight has no token; [WithPreflight] has it answered by a handler of yours.
//
// The error is also in a JSON body. No answer contains text from the request.
func (v *Verifier) Require(scopes ...string) func(http.Handler) http.Handler {
	return v.Enforce(Policy{Scopes: scopes})
}

// Enforce is [Verifier.Require] for a whole [Policy]: with ACR or MaxAge, it challenges the client to authenticate the
// user again if the user authenticated in another way or too long ago (RFC 9470). It panics on a policy that no
// challenge can express.
func (v *Verifier) Enforce(p Policy) func(http.Handler) http.Handler {
	if !challengeable(p.Scopes) {
		panic(fmt.Sprintf("verifier: Require(%q): not scopes; give each scope as an argument of its own", p.Scopes))
	}
	if !challengeable(p.ACR) || p.MaxAge < 0 || p.MaxAge%time.Second != 0 {
		panic(fmt.Sprintf("verifier: Enforce: ACR %q or MaxAge %v cannot be asked for", p.ACR, p.MaxAge))
	}
	p = Policy{Scopes: slices.Clone(p.Scopes), ACR: slices.Clone(p.ACR), MaxAge: p.MaxAge}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if v.preflight != nil && isPreflight(r) {
				v.preflight.ServeHTTP(w, r)
				return
			}
			token, refused := v.authenticate(r)
			if refused == nil {
				refused = v.authorize(token, p)
			}
			if refused != nil {
				refused.write(w, v.challenger(refused.scheme))
				return
			}
			next.ServeHTTP(w, r.WithContext(WithToken(r.Context(), token)))
		})
	}
}

// isPreflight reports whether r asks for permission to send another request (Fetch §4.8).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" &&
		r.Header.Get("Access-Control-Request-Method") != "" && len(r.Header.Values("Authorization")) == 0
}

// authenticate verifies the token of a request and its proof, if it needs one.
func (v *Verifier) authenticate(r *http.Request) (*Token, *refusal) {
	scheme, raw, refused := v.authorization(r.Header)
	if refused != nil {
		return nil, refused
	}
	var prove proving
	if scheme == schemeDPoP {
		prove = func(jkt string) error { return v.proofs.check(r, raw, jkt, v.now()) }
	}
	token, err := v.verify(r.Context(), raw, prove, new(Token))
	if err != nil {
		refused := v.refuse(err)
		refused.scheme = scheme
		return nil, refused
	}
	return token, nil
}

// The schemes of RFC 6750 §2.1 and RFC 9449 §7.1.
const (
	schemeBearer = "Bearer"
	schemeDPoP   = "DPoP"
)

// authorization returns the token of the Authorization header. Everything after the scheme is the token, which Verify
// checks.
func (v *Verifier) authorization(header http.Header) (scheme, token string, _ *refusal) {
	values := header.Values("Authorization")
	if len(values) > 1 {
		return "", "", &refusal{
			status:      http.StatusBadRequest,
			code:        "invalid_request",
			description: "the request has more than one Authorization header",
		}
	}
	if len(values) == 1 {
		scheme, token, _ = strings.Cut(values[0], " ")
		token = strings.Trim(token, " ")
	}
	switch { // in any letter case: RFC 9110 §11.1
	case token == "":
	case strings.EqualFold(scheme, schemeBearer):
		return schemeBearer, token, nil
	case v.proofs != nil && strings.EqualFold(scheme, schemeDPoP):
		return schemeDPoP, token, nil
	}
	// A client with an empty token has to get one, like a client without a token: 401 tells it to, 400 would not.
	return "", "", &refusal{
		status:      http.StatusUnauthorized,
		description: "this needs an access token: send Authorization: " + v.schemes()[0] + " TOKEN",
	}
}

// schemes returns the schemes that the verifier accepts.
func (v *Verifier) schemes() []string {
	switch {
	case v.proofs == nil:
		return []string{schemeBearer}
	case v.proofs.mode == DPoPRequired:
		return []string{schemeDPoP}
	}
	return []string{schemeBearer, schemeDPoP}
}

// authorize checks a valid token against p.
func (v *Verifier) authorize(token *Token, p Policy) *refusal {
	scheme := schemeBearer
	if token.jkt != "" {
		scheme = schemeDPoP
	}
	for _, scope := range p.Scopes {
		if !token.Has(scope) {
			return &refusal{
				scheme:      scheme,
				status:      http.StatusForbidden,
				code:        "insufficient_scope",
				description: "the token does not grant the scope that this needs",
				scope:       strings.Join(p.Scopes, " "),
			}
		}
	}
	wrongWay := len(p.ACR) > 0 && !slices.Contains(p.ACR, token.ACR)
	tooOld := p.MaxAge > 0 && (token.AuthTime.IsZero() || v.now().Sub(token.AuthTime) > p.MaxAge)
	if !wrongWay && !tooOld {
		return nil
	}
	stepUp := &refusal{
		scheme:      scheme,
		status:      http.StatusUnauthorized,
		code:        "insufficient_user_authentication",
		description: "this needs another authentication of the user",
		acr:         strings.Join(p.ACR, " "),
		maxAge:      p.MaxAge,
	}
	if !wrongWay {
		stepUp.description = "this needs a more recent authentication of the user"
	}
	return stepUp
}

// refuse turns an error of verify or of the proof into an answer.
func (v *Verifier) refuse(err error) *refusal {
	var d defect
	if errors.As(err, &d) {
		return &refusal{
			status:      http.StatusUnauthorized,
			code:        "invalid_token",
			description: "the access token is refused: " + string(d),
		}
	}
	var p proofDefect
	if errors.As(err, &p) {
		return &refusal{
			status:      http.StatusUnauthorized,
			code:        "invalid_dpop_proof",
			description: "the proof of possession is refused: " + string(p),
		}
	}
	return &refusal{
		status:      http.StatusServiceUnavailable,
		code:        "temporarily_unavailable",
		description: "the token could not be checked now, try again later",
		retryAfter:  v.RetryAfter(err),
	}
}
