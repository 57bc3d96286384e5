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

// Rules say what a call of each method needs. A key is a full method name, or all methods of a service:
//
//	"/orders.v1.Orders/List"
//	"/grpc.health.v1.Health/*"
//
// The method's own rule wins over that of its service. A method that neither names is refused to everybody, so that
// one added later is not open by accident.
type Rules map[string]Rule

// Rule is what a call needs: [Needs], [Enforce] or [Open]. The zero Rule refuses every call.
type Rule struct {
	access access
	policy verifier.Policy
}

// access is who may call.
type access int

const (
	nobody access = iota
	bearer
	anybody
)

// Needs asks for a valid token that grants all scopes; without a scope, for any valid token.
func Needs(scopes ...string) Rule { return Enforce(verifier.Policy{Scopes: scopes}) }

// Enforce asks for more than scopes: a user who was authenticated in one of these ways, or not too long ago.
func Enforce(p verifier.Policy) Rule {
	return Rule{bearer, verifier.Policy{Scopes: slices.Clone(p.Scopes), ACR: slices.Clone(p.ACR), MaxAge: p.MaxAge}}
}

// Open lets everybody call, and does not look at a token: for health checks, and for reflection where the world may
// read the API.
func Open() Rule { return Rule{access: anybody} }

// of is the rule of a full method name, and whether there is one.
func (r Rules) of(method string) (Rule, bool) {
	if rule, ok := r[method]; ok {
		return rule, true
	}
	rule, ok := r[method[:strings.LastIndex(method, "/")+1]+"*"]
	return rule, ok
}

// mustWork panics on rules that could never apply, or that no token could meet.
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

// Check compares the rules with the services that are registered, in a test or before Serve: it names the methods
// that nobody could call, as no rule names them, and the rules that name nothing. The zero Rule closes a method on
// purpose.
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
