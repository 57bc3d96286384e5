package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/oauth"
)

// maxParameters bounds the parameters of a form.
const maxParameters = 64

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
		if err != nil || !ok || !isText(text) {
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

// isText refuses what a text column can't hold, and U+FFFD, which stands for an
// escaped lone surrogate: two different passwords must not become one.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsAny(s, "\x00\uFFFD")
}

// form reads an application/x-www-form-urlencoded body in which no parameter
// comes twice (RFC 6749 §3.2). Parameters without a value are as good as omitted.
func form(c *gin.Context) (map[string]string, error) {
	if c.Request.URL.RawQuery != "" {
		return nil, oauth.Refuse(oauth.InvalidRequest, "parameters belong into the body, not into the URL")
	}
	if !hasType(c.Request, "application/x-www-form-urlencoded") {
		return nil, oauth.Refuse(oauth.InvalidRequest, "the content type must be application/x-www-form-urlencoded")
	}
	body, err := readBody(c)
	if err != nil {
		return nil, err
	}
	return parseForm(string(body))
}

func parseForm(body string) (map[string]string, error) {
	if strings.Count(body, "&") >= maxParameters {
		return nil, oauth.Refuse(oauth.InvalidRequest, "too many parameters")
	}
	values, err := url.ParseQuery(body)
	if err != nil {
		return nil, oauth.Refuse(oauth.InvalidRequest, "the form is malformed")
	}
	parameters := make(map[string]string, len(values))
	for name, all := range values {
		if len(all) > 1 {
			return nil, oauth.Refuse(oauth.InvalidRequest, "a parameter is repeated")
		}
		if !isText(name) || !isText(all[0]) {
			return nil, oauth.Refuse(oauth.InvalidRequest, "a parameter is no text")
		}
		if all[0] != "" {
			parameters[name] = all[0]
		}
	}
	return parameters, nil
}
