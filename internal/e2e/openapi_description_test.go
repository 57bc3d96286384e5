package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/mintmark-auth/mintmark/api"
	"github.com/mintmark-auth/mintmark/internal/httpapi"
)

// description is the OpenAPI document, and which answers of it were seen.
type description struct {
	doc *openapi3.T

	mu   sync.Mutex
	seen map[described]bool // guarded by mu
}

// described is one answer of one operation.
type described struct {
	httpapi.Route
	Status int
}

func (d described) String() string { return fmt.Sprintf("%s %s %d", d.Method, d.Path, d.Status) }

// fit is what the document says about a request.
type fit int

const (
	notAsked fit = iota
	fits
	misfit
)

// driven is one request, whether the document allows it, and the status it must get.
type driven struct {
	method, path string
	params       map[string]string // of the path, which has them in braces
	query        string
	header       http.Header
	body         string
	fit          fit
	status       int
}

func loadDescription(t *testing.T) *description {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil { // the examples, too
		t.Fatal(err)
	}
	return &description{doc: doc, seen: make(map[described]bool)}
}

// operations lists the operations, sorted.
func (d *description) operations() []httpapi.Route {
	var all []httpapi.Route
	for path, item := range d.doc.Paths.Map() {
		for method := range item.Operations() {
			all = append(all, httpapi.Route{Method: method, Path: path})
		}
	}
	sortRoutes(all)
	return all
}

func sortRoutes(routes []httpapi.Route) {
	slices.SortFunc(routes, func(a, b httpapi.Route) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
}

// answers lists every answer of every operation.
func (d *description) answers(t *testing.T) []described {
	t.Helper()
	var all []described
	for _, o := range d.operations() {
		for status := range d.operation(o).Responses.Map() {
			if status == "default" { // see elsewhere
				continue
			}
			var n int
			if _, err := fmt.Sscanf(status, "%d", &n); err != nil {
				t.Fatalf("%s %s: answer %q is no status", o.Method, o.Path, status)
			}
			all = append(all, described{o, n})
		}
	}
	return all
}

func (d *description) operation(r httpapi.Route) *openapi3.Operation {
	item := d.doc.Paths.Value(r.Path)
	if item == nil {
		return nil
	}
	return item.GetOperation(r.Method)
}

// drive sends the request and holds it and its answer against the document.
func (d *description) drive(t *testing.T, a *authority, x driven) answer {
	t.Helper()
	req := x.request(t, a)
	got := do(t, req)
	d.check(t, x, x.request(t, a), got)
	return got
}

func (x driven) request(t *testing.T, a *authority) *http.Request {
	t.Helper()
	target := a.URL + x.path
	for name, value := range x.params {
		target = strings.Replace(target, "{"+name+"}", value, 1)
	}
	if x.query != "" {
		target += "?" + x.query
	}
	req, err := http.NewRequestWithContext(t.Context(), x.method, target, strings.NewReader(x.body))
	if err != nil {
		t.Fatal(err)
	}
	if x.header != nil {
		req.Header = x.header.Clone()
	}
	return req
}

// check fails on an answer with another status than the request wants, and on a
// request or answer that is not as described.
func (d *description) check(t *testing.T, x driven, req *http.Request, got answer) {
	t.Helper()
	name := fmt.Sprintf("%s %s %.200q", x.method, x.path, x.body)
	if got.Status != x.status {
		t.Errorf("%s: %d %.300s, want %d", name, got.Status, got.Body, x.status)
		return
	}
	route := httpapi.Route{Method: x.method, Path: strings.ToLower(x.path)}
	operation := d.operation(route)
	if operation == nil {
		if operation = d.elsewhere(t, x.path, got.Status); operation == nil {
			t.Errorf("%s: not described", name)
			return
		}
	} else {
		d.mu.Lock()
		d.seen[described{route, got.Status}] = true
		d.mu.Unlock()
	}
	input := &openapi3filter.RequestValidationInput{Request: req, PathParams: x.params, Route: d.routeOf(operation, route)}
	if x.fit != notAsked {
		err := openapi3filter.ValidateRequest(t.Context(), &openapi3filter.RequestValidationInput{
			Request: req, PathParams: x.params, Route: input.Route, Options: &openapi3filter.Options{
				RejectWhenRequestBodyNotSpecified: true, AuthenticationFunc: bearerSent,
			},
		})
		if (err == nil) != (x.fit == fits) {
			t.Errorf("%s: the document allows the request: %v, want %v: %v", name, err == nil, x.fit == fits, err)
		}
	}
	if got.Status == http.StatusMethodNotAllowed && got.Header.Get("Allow") == "" {
		t.Errorf("%s: 405 without Allow (RFC 9110 §15.5.6)", name)
	}
	if err := validateAnswer(t, input, got); err != nil {
		t.Errorf("%s: %d is not as described: %v", name, got.Status, err)
	}
}

// bearerSent holds a request against the one way of authentication there is.
func bearerSent(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	if !strings.HasPrefix(input.RequestValidationInput.Request.Header.Get("Authorization"), "Bearer ") {
		return input.NewError(errors.New("no bearer token"))
	}
	return nil
}

// elsewhere stands for the operations that no document can list: other paths and
// other methods. Their answers are the default ones of the API.
func (d *description) elsewhere(t *testing.T, path string, status int) *openapi3.Operation {
	t.Helper()
	component := "Refused"
	if strings.HasPrefix(path, "/api/authentication/") {
		component = "FirstPartyRefused"
	}
	response, ok := d.doc.Components.Responses[component]
	if !ok {
		return nil
	}
	return &openapi3.Operation{Responses: openapi3.NewResponses(openapi3.WithStatus(status, response))}
}

func (d *description) routeOf(operation *openapi3.Operation, r httpapi.Route) *routers.Route {
	item := d.doc.Paths.Value(r.Path)
	if item == nil {
		item = &openapi3.PathItem{}
	}
	return &routers.Route{Spec: d.doc, Path: r.Path, PathItem: item, Method: r.Method, Operation: operation}
}

func validateAnswer(t *testing.T, input *openapi3filter.RequestValidationInput, got answer) error {
	t.Helper()
	response := input.Route.Operation.Responses.Status(got.Status)
	if response == nil {
		return fmt.Errorf("this status is not described")
	}
	if input.Request.Method == http.MethodHead || got.Status == http.StatusNotModified {
		if len(got.Body) > 0 {
			return fmt.Errorf("it has a body: %q", got.Body)
		}
		return validateHeader(response.Value, got.Header) // the library looks at neither
	}
	if len(response.Value.Content) == 0 && len(got.Body) > 0 {
		return fmt.Errorf("its body %.200q is not described", got.Body)
	}
	return openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: got.Status, Header: got.Header, Body: io.NopCloser(bytes.NewReader(got.Body)),
	})
}

func validateHeader(response *openapi3.Response, header http.Header) error {
	for name, ref := range response.Headers {
		value := header.Get(name)
		if value == "" {
			if ref.Value.Required {
				return fmt.Errorf("%s is missing", name)
			}
			continue
		}
		var typed any = value
		if n, err := strconv.ParseFloat(value, 64); err == nil && ref.Value.Schema.Value.Type.Is(openapi3.TypeInteger) {
			typed = n
		}
		if err := ref.Value.Schema.Value.VisitJSON(typed, openapi3.EnableJSONSchema2020()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
