package authority

import (
	"context"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// Register adds a user who asks for it. ErrRegistrationClosed, ErrClient, and the
// errors of [Accounts.Register].
func (a *Authority) Register(ctx context.Context, by Caller, r user.Registration) error {
	if !a.Registration {
		return ErrRegistrationClosed
	}
	if err := by.Refused(); err != nil {
		return err
	}
	accounts := Accounts{Users: a.Users, Rules: a.Password, Hasher: a.Hasher.For(user.Claim{Networks: by.from.Networks()})}
	_, err := accounts.Register(ctx, r, by.event(audit.UserRegistered, audit.Actor{})) // Register sets the actor
	return err
}
