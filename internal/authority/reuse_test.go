package authority_test

import (
	"context"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// underTerms is a store that remembers the terms of the latest session.
type underTerms struct {
	session.Store
	terms session.Terms
}

func (u *underTerms) StartSession(ctx context.Context, s session.Session, terms session.Terms, event audit.Event) (session.Session, error) {
	u.terms = terms
	return u.Store.StartSession(ctx, s, terms, event)
}

func (u *underTerms) AssignStatusIndex(ctx context.Context, id string, terms session.Terms) (int64, error) {
	u.terms = terms
	return u.Store.AssignStatusIndex(ctx, id, terms)
}

func (u *underTerms) StandingByFamily(ctx context.Context, family session.FamilyHash) (session.Standing, error) {
	standing, err := u.Store.StandingByFamily(ctx, family)
	standing.StatusIndex = nil // as an earlier binary left it
	return standing, err
}

// TestAStatusIndexIsUsedAgainOnlyWhileTheClocksAgree, for two readings, and then by the
// reliable time, at a login and at a refresh.
func TestAStatusIndexIsUsedAgainOnlyWhileTheClocksAgree(t *testing.T) {
	t.Parallel()
	eachWrongClock(t, nil, func(t *testing.T, p *production, ahead time.Duration) {
		store := &underTerms{Store: p.Sessions}
		p.Sessions = store
		tokens := p.login(t, "alice") // after one reading
		want := func(when string, reuse bool) {
			t.Helper()
			for _, verb := range []string{"refresh", "login"} {
				store.terms = session.Terms{}
				if verb == "refresh" {
					tokens = p.refresh(t, tokens, session.Rotated)
				} else {
					tokens = p.login(t, "alice")
				}
				got := store.terms.Reuse
				if got.IsZero() == reuse || reuse && !p.near(got) {
					t.Errorf("%s: at a %s, indexes are free of sessions that are over at %s", when, verb, got)
				}
			}
		}
		want("after one reading", false)
		p.pass(time.Second)
		want("after two", true)
		p.set(ahead)
		want("while a clock is wrong", false)
		p.set(0)
		want("after one reading that agrees", false)
		p.pass(time.Second)
		want("after two that agree", true)
	})
}
