package authority

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// Register adds a user. ErrRegistrationClosed, [*InvalidRegistration], user.ErrUsernameTaken, user.ErrEmailTaken, user.ErrBusy.
func (a *Authority) Register(ctx context.Context, r user.Registration, from Origin) error {
	if !a.Registration {
		return ErrRegistrationClosed
	}
	if _, err := a.firstParty(); err != nil {
		return err
	}
	_, err := a.AddUser(ctx, r, from.event(audit.UserRegistered, "user"))
	return err
}

// AddUser checks the rules, hashes the password and stores the user.
func (a *Authority) AddUser(ctx context.Context, r user.Registration, event audit.Event) (user.User, error) {
	accepted, problems := a.Password.Accept(r)
	if len(problems) > 0 {
		return user.User{}, &InvalidRegistration{Problems: problems}
	}
	hash, err := a.Hasher.Hash(ctx, accepted.Password.Reveal())
	if err != nil {
		return user.User{}, fmt.Errorf("hash password: %w", err)
	}
	u := user.User{ID: uuid.Must(uuid.NewV7()).String(), Username: accepted.Username, Email: accepted.Email, PasswordHash: hash}
	event.UserID = u.ID
	return a.Users.CreateUser(ctx, u, event)
}

// InvalidRegistration lists every rule that a registration breaks.
type InvalidRegistration struct {
	Problems []user.Problem
}

func (e *InvalidRegistration) Error() string {
	return fmt.Sprintf("registration breaks %d rules", len(e.Problems))
}
