package main

import (
	"fmt"
	"slices"
	"strings"
)

// target is a package to plant mistakes in, and the tests that hold it.
type target struct {
	name  string
	dirs  []string // below the module
	own   []string // the tests that are run first
	outer []string // the tests that are run where those notice nothing
	goal  int      // how many of a hundred mistakes must be caught
}

// targets are the packages whose mistakes cost most.
func targets() []target {
	const (
		authority = "internal/authority"
		httpapi   = "internal/httpapi"
		app       = "internal/app"
		e2e       = "internal/e2e"
		sqlite    = "internal/store/sqlite"
	)
	return []target{
		{"session", []string{"internal/session"}, []string{"internal/session"}, []string{authority, sqlite}, 95},
		{"token", []string{"internal/token"}, []string{"internal/token"}, []string{authority, httpapi, app}, 95},
		{"keyring", []string{"internal/keyring"}, []string{"internal/keyring"}, []string{sqlite, app, e2e}, 95},
		{"store/sqlite", []string{sqlite}, []string{sqlite}, []string{authority, app, e2e}, 95},
		{"store/postgres", []string{"internal/store/postgres"}, []string{"internal/store/postgres"}, []string{app, e2e}, 95},
		{"store/redis", []string{"internal/store/redis"}, []string{"internal/store/redis"}, []string{app, e2e}, 95},
		{"store/memory", []string{"internal/store/memory"}, []string{"internal/store/memory"}, []string{app, e2e}, 95},
		{"verifier", []string{"pkg/verifier"}, []string{"pkg/verifier"}, []string{"pkg/verifier/verifiergin", "pkg/verifier/verifiergrpc", "pkg/verifier/verifiertest"}, 95},
		{"grant", []string{"internal/grant"}, []string{"internal/grant", "internal/store/memory"}, []string{"internal/store/redis"}, 95},
		{"tokensource", []string{"pkg/tokensource"}, []string{"pkg/tokensource"}, []string{e2e}, 85},
		{"authority", []string{authority}, []string{authority}, []string{httpapi, app, e2e}, 85},
		{"operator", []string{"internal/operator"}, []string{"internal/operator"}, []string{app, "internal/cli"}, 85},
		{"httpapi", []string{httpapi}, []string{httpapi}, []string{app, e2e}, 85},
		{"app", []string{app}, []string{app}, []string{"internal/cli", e2e}, 85},
		{"revocation", []string{"internal/revocation"}, []string{"internal/revocation"}, []string{authority, httpapi, e2e}, 85},
		{"user", []string{"internal/user"}, []string{"internal/user"}, []string{authority, e2e}, 85},
		{"db", []string{"db", "db/migrations/postgres", "db/migrations/sqlite"}, []string{"db"}, []string{sqlite, "internal/store/postgres", app, "internal/cli"}, 85},
	}
}

// choose returns the named targets, or all; `store` stands for all stores.
func choose(named []string) ([]target, error) {
	if len(named) == 0 {
		return targets(), nil
	}
	var chosen []target
	for _, name := range named {
		name = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(strings.Trim(name, "/"), "./"), "internal/"), "pkg/")
		before := len(chosen)
		for _, t := range targets() {
			if (t.name == name || strings.HasPrefix(t.name, name+"/")) && !slices.ContainsFunc(chosen, func(c target) bool { return c.name == t.name }) {
				chosen = append(chosen, t)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("no package is called %q here; choose from %s", name, names())
		}
	}
	return chosen, nil
}

func names() string {
	var all []string
	for _, t := range targets() {
		all = append(all, t.name)
	}
	return strings.Join(all, " ")
}
