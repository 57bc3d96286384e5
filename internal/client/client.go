// Package client defines the OAuth clients: which grants each client may use, how its sessions rotate, and whether it
// is enabled. A [Directory] answers from memory, so that authenticating a client costs no I/O.
package client

import (
	"slices"
	"time"
)

// FirstParty is the id of the built-in public client behind the first-party API.
const FirstParty = "first-party"

// Kind reports whether a client can keep a secret (RFC 6749 §2.1).
type Kind string

// The two kinds of RFC 6749 §2.1.
const (
	Public       Kind = "public"
	Confidential Kind = "confidential"
)

// Rotation reports whether a refresh answers with a new refresh token.
type Rotation string

// Rotation policies.
const (
	RotateAlways Rotation = "always"
	RotateNever  Rotation = "never"
)

// Client is one OAuth client. A nil duration means the configured default.
type Client struct {
	ID         string
	Name       string
	Kind       Kind
	GrantTypes []string // RFC 7591 §2 grant_types values

	Rotation  Rotation
	AllowSkip bool           // may a retry come later than the grace window? Never for public bearer clients
	Grace     *time.Duration // how long the previous token repeats its successor
	IdleTTL   *time.Duration
	MaxTTL    *time.Duration

	CreatedAt  time.Time
	DisabledAt time.Time // zero: enabled
}

// Enabled reports whether the client may be used.
func (c Client) Enabled() bool { return c.DisabledAt.IsZero() }

// Allows reports whether the client may use a grant type.
func (c Client) Allows(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }
