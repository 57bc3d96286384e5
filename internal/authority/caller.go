package authority

import (
	"context"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
)

// Origin is where a request came from, for events and limits.
type Origin struct {
	Address    string // without port; IPv6 in full
	Subscriber string // the address as limits count it
	UserAgent  string
	RequestID  string
	Trace      string // the id of the trace that the request belongs to, or ""
}

// Caller is an authenticated client and where its request came from. Every verb takes one,
// which only [Authority.Authenticate] makes; the zero Caller is refused.
type Caller struct {
	client client.Client
	from   Origin
}

// Authenticate returns the caller that the credentials prove. ErrClient.
func (a *Authority) Authenticate(ctx context.Context, c client.Credentials, from Origin) (Caller, error) {
	found, err := a.Clients.Authenticate(ctx, c)
	if err != nil {
		return Caller{}, ErrClient
	}
	return Caller{client: found, from: from}, nil
}

// Client returns the client that was authenticated.
func (c Caller) Client() client.Client { return c.client }

// Origin returns where the request came from.
func (c Caller) Origin() Origin { return c.from }

// Refused returns ErrClient for a caller that was not authenticated.
func (c Caller) Refused() error {
	if c.client.ID == "" {
		return ErrClient
	}
	return nil
}

// event starts an audit event about the request.
func (c Caller) event(kind audit.Kind, by audit.Actor) audit.Event {
	e := audit.New(kind, by)
	e.Address, e.UserAgent, e.RequestID = c.from.Address, c.from.UserAgent, c.from.RequestID
	if c.from.Trace != "" {
		e.Detail = map[string]string{"trace": c.from.Trace}
	}
	return e
}
