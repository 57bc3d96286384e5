package authority

import (
	"context"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// Register adds a user who asks for it. ErrRegistrationClosed, ErrClient, and the
// errors of [Accounts.Add].
func (a *Authority) Register(ctx context.Context, r user.Registration, from Origin) error {
	if !a.Registration {
		return ErrRegistrationClosed
	}
	if _, err := a.firstParty(); err != nil {
		return err
	}
	accounts := Accounts{Users: a.Users, Rules: a.Password, Hasher: a.Hasher}
	_, err := accounts.Add(ctx, r, from.event(audit.UserRegistered, audit.ByUser("")))
	return err
}
