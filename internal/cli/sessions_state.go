package cli

import (
	"context"
	"time"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// policies are the lifetimes of every client's tokens, as configured here.
type policies struct {
	defaults authority.Lifetimes
	clients  map[string]client.Client
}

func (d desk) policies(ctx context.Context) (policies, error) {
	all, err := d.Clients.Clients(ctx)
	if err != nil {
		return policies{}, err
	}
	p := policies{
		defaults: authority.Lifetimes{IdleTTL: d.cfg.RefreshIdleTTL, MaxTTL: d.cfg.RefreshMaxTTL, Grace: d.cfg.RefreshGrace},
		clients:  make(map[string]client.Client, len(all)),
	}
	for _, c := range all {
		p.clients[c.ID] = c
	}
	return p, nil
}

// of is the policy of a client; the defaults where there is none of that id.
func (p policies) of(clientID string) session.Policy { return p.defaults.PolicyOf(p.clients[clientID]) }

// state says whether a session can still be refreshed at now, and why not.
func (p policies) state(one session.Session, now time.Time) string {
	switch {
	case !one.RevokedAt.IsZero():
		return "revoked"
	case !now.Before(one.AbsoluteExpiry):
		return "expired"
	case one.Lapsed(now, p.of(one.ClientID).Idle):
		return "lapsed"
	default:
		return "live"
	}
}

// liveSessions fills a page with the sessions that can still be refreshed. The
// store knows of no idle lifetime, so it is read on until the page is full.
func (d desk) liveSessions(ctx context.Context, query session.Query, p policies) ([]session.Session, error) {
	query.Live = session.LiveOnly
	var live []session.Session
	for {
		stored, err := d.Sessions.Sessions(ctx, query)
		if err != nil {
			return nil, err
		}
		now := time.Now()
		for _, one := range stored {
			if !one.Lapsed(now, p.of(one.ClientID).Idle) {
				live = append(live, one)
			}
		}
		if len(stored) < query.Limit || len(live) >= query.Limit {
			return live[:min(len(live), query.Limit)], nil
		}
		query.After = stored[len(stored)-1].ID
	}
}
