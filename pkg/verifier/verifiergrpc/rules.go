package verifiergrpc

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// Rules map methods to what a call needs. A key is a full method name, or stands for all methods of a service:
//
//	"/orders.v1.Orders/List"
//	"/grpc.health.v1.Health/*"
//
// A method's own rule takes precedence over its service's. Calls of a method without a rule are always refused, so that
// a method added later is not open by accident.
type Rules map[string]Rule

// Rule is what a call needs: [Needs], [Enforce] or [Open]. The zero Rule refuses every call.
type Rule struct {
	access access
	policy verifier.Policy
}

// access is the kind of a rule.
type access int

const (
	nobody access = iota
	bearer
	anybody
)

// Needs requires a valid token that grants all scopes; without scopes, any valid token.
func Needs(scopes ...string) Rule { return Enforce(verifier.Policy{Scopes: scopes}) }

// Enforce requires a valid token that fulfils a whole policy: scopes, and how and when the user authenticated.
func Enforce(p verifier.Policy) Rule {
	return Rule{bearer, verifier.Policy{Scopes: slices.Clone(p.Scopes), ACR: slices.Clone(p.ACR), MaxAge: p.MaxAge}}
}

// Open allows every call and ignores tokens. It is for health checks, and for reflection if the API is public.
func Open() Rule { return Rule{access: anybody} }

// of returns the rule of a full method name, and whether there is one.
func (r Rules) of(method string) (Rule, bool) {
	if rule, ok := r[method]; ok {
		return rule, true
	}
	rule, ok := r[method[:strings.LastIndex(method, "/")+1]+"*"]
	return rule, ok
}

// mustWork panics on rules that could never apply, or that no token could fulfil.
func (r Rules) mustWork(v *verifier.Verifier) {
	for _, name := range slices.Sorted(maps.Keys(r)) {
		service, method, ok := split(name)
		if !ok || service == "" || method == "" || strings.Contains(method, "/") {
			panic(fmt.Sprintf("verifiergrpc: %q is no method: want one like /orders.v1.Orders/List or /orders.v1.Orders/*", name))
		}
		v.Enforce(r[name].policy) // for its panic
	}
}

func split(name string) (service, method string, ok bool) {
	rest, ok := strings.CutPrefix(name, "/")
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, "/")
}

// Check compares the rules with the registered services; call it in a test or before Serve. Its error names the methods
// that have no rule, which no caller could call, and the rules that match no method. To close a method on purpose, give
// it the zero Rule.
func (g *Guard) Check(server *grpc.Server) error {
	var problems []error
	idle := maps.Clone(g.rules)
	services := server.GetServiceInfo()
	for _, service := range slices.Sorted(maps.Keys(services)) {
		all := "/" + service + "/*"
		for _, method := range services[service].Methods {
			name := "/" + service + "/" + method.Name
			delete(idle, name)
			if _, ok := g.rules.of(name); !ok {
				problems = append(problems, fmt.Errorf("no rule names %s", name))
			}
		}
		delete(idle, all)
	}
	for _, name := range slices.Sorted(maps.Keys(idle)) {
		problems = append(problems, fmt.Errorf("the rule for %s is for no method of this server", name))
	}
	return errors.Join(problems...)
}
