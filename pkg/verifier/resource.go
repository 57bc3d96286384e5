package verifier

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// wellKnownResource is the path of a resource's metadata (RFC 9728 §3), before the path of its URL.
const wellKnownResource = "/.well-known/oauth-protected-resource"

// Resource describes a service to clients, beyond its issuer and how it accepts tokens. Each field is optional.
type Resource struct {
	Name          string   // for people
	Scopes        []string // that clients can request
	Documentation string   // URL of a page for developers
}

func (r Resource) check() error {
	if !challengeable(r.Scopes) {
		return fmt.Errorf("the scopes %q of the resource: give each as an element of its own", r.Scopes)
	}
	if r.Documentation == "" {
		return nil
	}
	if u, err := url.Parse(r.Documentation); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return errors.New("the documentation of the resource is not an absolute URL")
	}
	return nil
}

// resource is the metadata document, made once.
type resource struct {
	path     string // of the document
	url      string // of the document, as clients find it
	document []byte
}

func newResource(s settings, issuer, audience string, here *url.URL) *resource {
	origin, path := here.Scheme+"://"+here.Host, strings.TrimSuffix(here.EscapedPath(), "/")
	identifier := origin + path
	if s.url == "" {
		identifier = audience // to the byte, as clients request it
	}
	document := struct {
		Resource      string   `json:"resource"`
		Servers       []string `json:"authorization_servers"`
		Scopes        []string `json:"scopes_supported,omitempty"`
		Methods       []string `json:"bearer_methods_supported"`
		Name          string   `json:"resource_name,omitempty"`
		Documentation string   `json:"resource_documentation,omitempty"`
		Proofs        []string `json:"dpop_signing_alg_values_supported,omitempty"`
		Bound         bool     `json:"dpop_bound_access_tokens_required,omitempty"`
	}{
		Resource: identifier, Servers: []string{issuer}, Scopes: s.resource.Scopes, Methods: []string{"header"},
		Name: s.resource.Name, Documentation: s.resource.Documentation, Bound: s.dpop == DPoPRequired,
	}
	if s.dpop != DPoPOff {
		document.Proofs = proofAlgorithms()
	}
	encoded, _ := json.Marshal(document) // of strings alone: it cannot fail
	return &resource{path: wellKnownResource + path, url: origin + wellKnownResource + path, document: encoded}
}

// ResourceMetadata returns the path and the handler of this service's metadata (RFC 9728 §3), for
//
//	mux.Handle(v.ResourceMetadata())
//
// It panics without [WithResourceMetadata], so that this programming mistake is found when the service starts.
func (v *Verifier) ResourceMetadata() (path string, _ http.Handler) {
	if v.resource == nil {
		panic("verifier: ResourceMetadata: give New the option WithResourceMetadata")
	}
	return v.resource.path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=3600")
		w.Header().Set("Access-Control-Allow-Origin", "*") // it is public, and clients in browsers read it
		_, _ = w.Write(v.resource.document)                // the client may be gone
	})
}
