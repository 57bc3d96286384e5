// Package operator contains the verbs with which operators change users, clients, sessions and signing keys, and find
// out what happened: a file per noun, with its verbs.
//
// It ensures that every change is on record under the name of its operator: a verb that changes something takes the
// [audit.Actor], and the event commits with the change. It serves both the command line and an admin surface, so it
// does not ask for confirmation, prints nothing, and depends on neither transport nor configuration.
package operator

import (
	"context"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// Config is what operators work on. Everything is required.
type Config struct {
	Users    user.Store
	Clients  client.Store
	Sessions session.Store
	Keys     keyring.Store
	Events   audit.Store
	Now      func(context.Context) (time.Time, error) // the clock of these stores

	Password  *user.Rules
	Hasher    *user.Hasher
	Lifetimes authority.Lifetimes
	KeyPolicy keyring.Policy

	// Clocks compares the clocks. Only what is done with keys goes by them.
	Clocks func(context.Context) keyring.Clocks

	// Secrets gives the root secrets, Rotation the rotation state of a session with the
	// clock of the store that keeps it and, where that is Redis, this machine's. Only the verbs that need them call them: the
	// others work where the secrets or the ephemeral store are out of reach.
	Secrets  func() (Secrets, error)
	Rotation func(ctx context.Context, sessionID string) (session.State, clock.Clocks, error)
}

// Secrets are what the signing keys of the running authority are sealed with, and its
// refresh tokens made with.
type Secrets struct {
	Issuer string
	Roots  secret.Roots
}

// Operator carries out the verbs.
type Operator struct {
	Config
}

// New returns an operator over its parts.
func New(config Config) *Operator { return &Operator{Config: config} }
