package tokensource

import (
	"encoding/json"
	"errors"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// maxLife bounds an expires_in, in seconds: a larger one is a mistake, and would overflow.
const maxLife = 10 * 365 * 24 * 3600

var (
	errNoJSON    = errors.New("a content type other than JSON")
	errLarge     = errors.New("more than 1 MiB")
	errMalformed = errors.New("something other than the JSON of RFC 6749 §5")
)

// answer is the body of RFC 6749 §5.1 and §5.2. What stands nowhere in it is empty.
type answer struct {
	accessToken, tokenType, refreshToken string
	expiresIn                            seconds
	failure                              string // the member error
}

// readAnswer reads an answer to the letter: names in their exact case, no name twice, members of their type. The answer
// is empty where it returns an error, which holds no text of the authority. An answer without a content type may be
// JSON.
func readAnswer(header http.Header, body []byte) (answer, error) {
	if !saysJSON(header.Values("Content-Type")) {
		return answer{}, errNoJSON
	}
	if len(body) > maxBody {
		return answer{}, errLarge
	}
	members, ok := readObject(body)
	if !ok {
		return answer{}, errMalformed
	}
	var said answer
	for name, value := range members {
		ok := true
		switch name {
		case "access_token":
			said.accessToken, ok = stringOf(value)
		case "token_type":
			said.tokenType, ok = stringOf(value)
		case "refresh_token":
			said.refreshToken, ok = stringOf(value)
		case "expires_in":
			said.expiresIn = secondsOf(value)
		case "error":
			said.failure, ok = stringOf(value)
		}
		if !ok {
			return answer{}, errMalformed
		}
	}
	return said, nil
}

// saysJSON reports whether the values of Content-Type name JSON, or nothing. Plain text is what net/http calls JSON
// where the server names no type.
func saysJSON(values []string) bool {
	if len(values) == 0 {
		return true
	}
	kind, _, err := mime.ParseMediaType(values[0])
	return len(values) == 1 && err == nil && (kind == "application/json" || kind == "text/plain")
}

// stringOf reads a string of the characters that tokens, types and errors consist of (RFC 6749 appendix A).
func stringOf(value json.RawMessage) (string, bool) {
	var text string
	if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, &text) != nil {
		return "", false
	}
	return text, !strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

// seconds is a number, which some authorities send as a string.
type seconds struct {
	value float64
	known bool
}

// secondsOf never fails: an expiry that makes no sense counts as unknown, and is no reason to lose a pair.
func secondsOf(value json.RawMessage) seconds {
	n, err := strconv.ParseFloat(strings.Trim(string(value), `"`), 64)
	if (err == nil || errors.Is(err, strconv.ErrRange)) && n >= 0 {
		return seconds{value: math.Min(n, maxLife), known: true}
	}
	return seconds{}
}

// bearer reports whether the access token is a bearer token, which a missing type means too.
func (a answer) bearer() bool { return a.tokenType == "" || strings.EqualFold(a.tokenType, "Bearer") }

// pair is the new pair. If the authority sends no refresh token, the old one stays in use (RFC 6749 §6).
func (a answer) pair(presented oauth2.Token, started time.Time) *oauth2.Token {
	next := &oauth2.Token{AccessToken: a.accessToken, TokenType: "Bearer", RefreshToken: a.refreshToken}
	if next.RefreshToken == "" {
		next.RefreshToken = presented.RefreshToken
	}
	if a.expiresIn.known {
		next.Expiry = started.Add(time.Duration(a.expiresIn.value * float64(time.Second)))
	}
	return next
}
