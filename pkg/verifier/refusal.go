package verifier

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// refusal is the answer to a refused request.
type refusal struct {
	scheme      string // of the challenge; empty for all that this service accepts
	status      int
	code        string // error of RFC 6750 §3.1, RFC 9449 §7.1 or RFC 9470 §3; empty where no token was given
	description string
	scope       string
	acr         string
	maxAge      time.Duration
	retryAfter  time.Duration
}

// challenger is the content of every challenge of a service.
type challenger struct {
	realm    string
	schemes  []string
	metadata string // URL of the resource's metadata, or empty
}

func (v *Verifier) challenger(scheme string) challenger {
	c := challenger{realm: v.audience, schemes: v.schemes()}
	if scheme != "" && len(c.schemes) > 1 {
		c.schemes = []string{scheme}
	}
	if v.resource != nil {
		c.metadata = v.resource.url
	}
	return c
}

func (f *refusal) write(w http.ResponseWriter, c challenger) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if f.status == http.StatusServiceUnavailable {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds()))))
	} else {
		header.Del("WWW-Authenticate")
		for _, scheme := range c.schemes {
			header.Add("WWW-Authenticate", f.challenge(scheme, c))
		}
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

// challenge is a value of WWW-Authenticate (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3, RFC 9728 §5.1).
func (f *refusal) challenge(scheme string, c challenger) string {
	var b strings.Builder
	b.WriteString(scheme)
	separator := " "
	add := func(name, value string) {
		if value != "" {
			b.WriteString(separator + name + `="` + value + `"`)
			separator = ", "
		}
	}
	add("realm", strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(c.realm))
	add("error", f.code)
	if f.code != "" {
		add("error_description", f.description)
	}
	add("scope", f.scope)
	add("acr_values", f.acr)
	if f.maxAge > 0 {
		add("max_age", strconv.Itoa(int(f.maxAge/time.Second)))
	}
	if scheme == schemeDPoP {
		add("algs", strings.Join(proofAlgorithms(), " "))
	}
	add("resource_metadata", c.metadata)
	return b.String()
}
