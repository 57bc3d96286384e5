package authority_test

import (
	"context"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// people is the store of users, which records the calls of the bench.
type people struct {
	user.Store
	calls *calls
}

func (p people) UserByLogin(ctx context.Context, login user.Login) (user.User, error) {
	done, err := p.calls.reach(ctx, "UserByLogin")
	if err != nil {
		return user.User{}, err
	}
	defer done()
	return p.Store.UserByLogin(ctx, login)
}

func (p people) CreateUser(ctx context.Context, u user.User, event audit.Event) (user.User, error) {
	done, err := p.calls.reach(ctx, "CreateUser")
	if err != nil {
		return user.User{}, err
	}
	defer done()
	return p.Store.CreateUser(ctx, u, event)
}

func (p people) SetPassword(ctx context.Context, id, hash string, event audit.Event) error {
	done, err := p.calls.reach(ctx, "SetPassword")
	if err != nil {
		return err
	}
	defer done()
	return p.Store.SetPassword(ctx, id, hash, event)
}

func (p people) ReplaceHash(ctx context.Context, id, old, better string) error {
	done, err := p.calls.reach(ctx, "ReplaceHash")
	if err != nil {
		return err
	}
	defer done()
	return p.Store.ReplaceHash(ctx, id, old, better)
}

// limits does the same for the counters of tries.
type limits struct {
	ratelimit.Store
	calls *calls
}

func (l limits) Take(ctx context.Context, key string, rate ratelimit.Rate) (ratelimit.Decision, error) {
	done, err := l.calls.reach(ctx, "Take "+key)
	if err != nil {
		return ratelimit.Decision{}, err
	}
	defer done()
	return l.Store.Take(ctx, key, rate)
}
