// Package authority contains the verbs of the token authority, one file per verb. Each file contains the order of the
// steps and nothing else: the rules are in the domain packages, the transport is above, and the stores are below.
package authority

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/token"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// Refusals: expected answers to what a caller asked. Every other error means that
// something is out of order here, and nothing was granted.
var (
	// ErrCredentials refuses a login: unknown user, wrong password or disabled user.
	ErrCredentials = errors.New("invalid credentials")
	// ErrGrant refuses a refresh token, for whatever reason.
	ErrGrant = errors.New("invalid grant")
	// ErrClient refuses an unknown or disabled client.
	ErrClient = errors.New("invalid client")
	// ErrAccessToken refuses to revoke an access token (RFC 7009 §2.2.1).
	ErrAccessToken = errors.New("access tokens are not revoked one by one")
	// ErrBearer refuses an access token that was to prove who asks (RFC 6750 §3.1).
	ErrBearer = errors.New("invalid access token")
	// ErrSession refuses a session that is unknown or another user's.
	ErrSession = errors.New("no such session")
	// ErrRegistrationClosed refuses a registration where operators add users.
	ErrRegistrationClosed = errors.New("registration is closed")
)

// Config is what an authority is built from. Everything is required.
type Config struct {
	Rules
	Stores
	Machinery
}

// Rules are what the operator configured.
type Rules struct {
	Issuer       string
	Audience     string // of tokens whose session was granted no other
	AccessTTL    time.Duration
	Lifetimes    Lifetimes
	MaxSessions  int // per user and client, that can be refreshed
	Password     *user.Rules
	LoginRate    ratelimit.Rate // per user and address
	AccountRate  ratelimit.Rate // per user, from all addresses that are not known to them
	Registration bool           // whether registration is open
}

// Stores are where the authority keeps what it knows.
type Stores struct {
	Users    user.Store
	Clients  *client.Directory
	Sessions session.Store
	States   session.States
	Limits   ratelimit.Store
}

// Machinery is what the authority works with.
type Machinery struct {
	Mint        *session.Mint
	Keys        *keyring.Keyring
	Lists       *revocation.Lists
	Hasher      *user.Hasher
	Events      *audit.Queue
	Checkpoints *session.Checkpoints
	Clocks      *clock.Watch
	Observer    Observer
	Log         *slog.Logger
}

// Lifetimes holds the lifetimes of refresh tokens that a client may override.
type Lifetimes struct {
	IdleTTL time.Duration
	MaxTTL  time.Duration
	Grace   time.Duration
}

// Observer counts what happened; implementations must not block.
type Observer interface {
	Refreshed(verdict string)
	LoggedIn(outcome string)
}

// Authority carries out the verbs.
type Authority struct {
	Config
}

// New returns an authority over its parts.
func New(config Config) *Authority { return &Authority{Config: config} }

// Tokens is what a login or refresh grants.
type Tokens struct {
	AccessToken  string
	RefreshToken string
	ExpiresIn    time.Duration
}

// issuePair signs an access token of a grant and writes the refresh token beside it.
func (a *Authority) issuePair(signer *token.Signer, g session.Grant, refresh session.RefreshToken, now time.Time) (Tokens, error) {
	tokens, err := a.issue(signer, g, now)
	if err != nil {
		return Tokens{}, err
	}
	tokens.RefreshToken = a.Mint.Format(refresh)
	return tokens, nil
}

// issue signs an access token of a grant. now is the reliable time ([clock.Clocks.Reliable]), so that
// no wrong clock makes tokens that verifiers refuse, or that live longer than they should.
func (a *Authority) issue(signer *token.Signer, g session.Grant, now time.Time) (Tokens, error) {
	access, err := signer.Sign(a.claims(g, now))
	if err != nil {
		return Tokens{}, fmt.Errorf("issue access token: %w", err)
	}
	return Tokens{AccessToken: access, ExpiresIn: a.AccessTTL}, nil
}

// claims returns what an access token of the grant says.
func (a *Authority) claims(g session.Grant, now time.Time) token.Claims {
	c := token.Claims{
		Issuer: a.Issuer, Subject: g.Subject, Audiences: g.Audiences, ClientID: g.ClientID, SessionID: g.SessionID,
		ID: token.NewID(), AuthTime: g.AuthTime, IssuedAt: now, Expiry: now.Add(a.AccessTTL),
		Scope: g.Scope, ACR: g.ACR, AMR: g.AMR, JKT: g.JKT, Actor: actor(g.Actor), Status: a.Lists.Reference(g.StatusIndex),
	}
	if len(c.Audiences) == 0 {
		c.Audiences = []string{a.Audience}
	}
	return c
}

func actor(a *session.Actor) *token.Actor {
	if a == nil {
		return nil
	}
	return &token.Actor{Subject: a.Subject, Before: actor(a.Before)}
}
