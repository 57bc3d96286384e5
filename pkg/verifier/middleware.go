package verifier

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Require returns middleware that lets a request pass only with a valid bearer token that grants all scopes; the
// handler finds it with [FromContext]. It panics on a scope that no token can hold (RFC 6749 §3.3), such as two in
// one string: that is a mistake in the program, found when it starts.
//
// The token is taken from the Authorization header alone. What does not pass is answered by RFC 6750 §3.1:
//
//	no bearer token, or an empty one            401, a challenge without error code
//	a token that is broken, foreign, expired …  401 invalid_token
//	more than one Authorization header          400 invalid_request
//	a scope is missing                          403 insufficient_scope
//	the issuer's keys are unavailable           503 temporarily_unavailable with Retry-After
//
// with the error also in a JSON body, and never a word from the request.
func (v *Verifier) Require(scopes ...string) func(http.Handler) http.Handler {
	for _, scope := range scopes {
		if !isScope(scope) {
			panic(fmt.Sprintf("verifier: Require(%q): not a scope; give each scope as an argument of its own", scope))
		}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, refused := v.authenticate(r, scopes)
			if refused != nil {
				refused.write(w, v.audience)
				return
			}
			next.ServeHTTP(w, r.WithContext(withToken(r.Context(), token)))
		})
	}
}

// refusal is the answer to a request that may not pass.
type refusal struct {
	status      int
	code        string // error of RFC 6750 §3.1; empty where no token was given
	description string
	scope       string
	retryAfter  time.Duration
}

func (v *Verifier) authenticate(r *http.Request, scopes []string) (*Token, *refusal) {
	raw, refused := bearer(r.Header)
	if refused != nil {
		return nil, refused
	}
	token, err := v.Verify(r.Context(), raw)
	if err != nil {
		return nil, v.refuse(err)
	}
	for _, scope := range scopes {
		if !token.Has(scope) {
			return nil, &refusal{
				status:      http.StatusForbidden,
				code:        "insufficient_scope",
				description: "the token does not grant the scope that this needs",
				scope:       strings.Join(scopes, " "),
			}
		}
	}
	return token, nil
}

// bearer returns the token of the Authorization header. Whatever follows the scheme is the token, for Verify to judge.
func bearer(header http.Header) (string, *refusal) {
	values := header.Values("Authorization")
	if len(values) > 1 {
		return "", &refusal{
			status:      http.StatusBadRequest,
			code:        "invalid_request",
			description: "the request has more than one Authorization header",
		}
	}
	scheme, token, _ := strings.Cut(strings.Join(values, ""), " ")
	token = strings.Trim(token, " ")
	// A client whose token is empty has to get one, as a client without a token has: 401 says so, 400 would not.
	if !strings.EqualFold(scheme, "Bearer") || token == "" { // the scheme in any case: RFC 9110 §11.1
		return "", &refusal{
			status:      http.StatusUnauthorized,
			description: "this needs an access token: send Authorization: Bearer TOKEN",
		}
	}
	return token, nil
}

func (v *Verifier) refuse(err error) *refusal {
	var d defect
	if errors.As(err, &d) {
		return &refusal{
			status:      http.StatusUnauthorized,
			code:        "invalid_token",
			description: "the access token is refused: " + string(d),
		}
	}
	return &refusal{
		status:      http.StatusServiceUnavailable,
		code:        "temporarily_unavailable",
		description: "the token could not be checked now, try again later",
		retryAfter:  v.keys.retryAfter(),
	}
}

func (f *refusal) write(w http.ResponseWriter, realm string) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if f.status == http.StatusServiceUnavailable {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds()))))
	} else {
		header.Set("WWW-Authenticate", f.challenge(realm))
	}
	body := struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Scope       string `json:"scope,omitempty"`
	}{f.code, f.description, f.scope}
	if body.Error == "" {
		body.Error = "unauthorized" // the challenge has no code (RFC 6750 §3.1), but people read bodies
	}
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// challenge is the value of WWW-Authenticate (RFC 6750 §3).
func (f *refusal) challenge(realm string) string {
	challenge := `Bearer realm="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(realm) + `"`
	if f.code == "" {
		return challenge
	}
	challenge += `, error="` + f.code + `", error_description="` + f.description + `"`
	if f.scope != "" {
		challenge += `, scope="` + f.scope + `"`
	}
	return challenge
}
