package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/oauth"
)

// readBody reads the bounded body. errRequest, errSlowBody, [*http.MaxBytesError].
func readBody(c *gin.Context) ([]byte, error) {
	body, err := io.ReadAll(c.Request.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return body, nil
	case errors.As(err, &tooLarge):
		return nil, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errSlowBody
	default:
		return nil, fmt.Errorf("%w: %w", errRequest, err)
	}
}

// hasType reports whether the body is, unencoded, of the one content type that is
// wanted, in UTF-8.
func hasType(r *http.Request, want string) bool {
	for _, coding := range r.Header.Values("Content-Encoding") {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return false
		}
	}
	types := r.Header.Values("Content-Type")
	if len(types) != 1 {
		return false
	}
	got, params, err := mime.ParseMediaType(types[0])
	if err != nil || got != want {
		return false
	}
	charset, ok := params["charset"]
	return !ok || strings.EqualFold(charset, "utf-8")
}

// jsonStrings reads a JSON object whose members are strings, all of them known
// and none repeated. A member that is absent reads as "". errRequest.
func jsonStrings(c *gin.Context, known ...string) (map[string]string, error) {
	if !hasType(c.Request, "application/json") {
		return nil, fmt.Errorf("%w: content type", errRequest)
	}
	body, err := readBody(c)
	if err != nil {
		return nil, err
	}
	return parseStrings(body, known)
}

func parseStrings(body []byte, known []string) (map[string]string, error) {
	if !utf8.Valid(body) {
		return nil, fmt.Errorf("%w: not UTF-8", errRequest)
	}
	members := make(map[string]string, len(known))
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%w: not a JSON object", errRequest)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: not JSON", errRequest)
		}
		key, _ := name.(string)
		if _, repeated := members[key]; repeated || !slices.Contains(known, key) {
			return nil, fmt.Errorf("%w: unknown or repeated member", errRequest)
		}
		value, err := d.Token()
		text, ok := value.(string)
		if err != nil || !ok || !oauth.IsText(text) {
			return nil, fmt.Errorf("%w: a member is no text", errRequest)
		}
		members[key] = text
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("%w: not JSON", errRequest)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more than one JSON value", errRequest)
	}
	return members, nil
}

// readForm reads a form (RFC 6749 §3.2), which comes in the body and nowhere else.
func readForm(c *gin.Context) (oauth.Form, error) {
	if c.Request.URL.RawQuery != "" {
		return oauth.Form{}, oauth.Refuse(oauth.InvalidRequest, "parameters belong into the body, not into the URL")
	}
	if !hasType(c.Request, "application/x-www-form-urlencoded") {
		return oauth.Form{}, oauth.Refuse(oauth.InvalidRequest, "the content type must be application/x-www-form-urlencoded")
	}
	body, err := readBody(c)
	if err != nil {
		return oauth.Form{}, err
	}
	return oauth.ParseForm(string(body))
}
