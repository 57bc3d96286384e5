package authority

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// Accounts adds users and sets their passwords by the rules, for those who
// register themselves and for operators. Everything is required.
type Accounts struct {
	Users  user.Store
	Rules  *user.Rules
	Hasher *user.Hasher
}

// Add checks the rules, hashes the password and stores the user, whose id the event
// gets. [*InvalidRegistration], user.ErrUsernameTaken, user.ErrEmailTaken, user.ErrBusy.
func (a Accounts) Add(ctx context.Context, r user.Registration, event audit.Event) (user.User, error) {
	return a.add(ctx, newID(), r, event)
}

// Register adds a user as Add does and makes that user the actor of the event. It returns
// the errors of Add.
func (a Accounts) Register(ctx context.Context, r user.Registration, event audit.Event) (user.User, error) {
	id := newID()
	event.Actor = audit.ByUser(id)
	return a.add(ctx, id, r, event)
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func (a Accounts) add(ctx context.Context, id string, r user.Registration, event audit.Event) (user.User, error) {
	accepted, problems := a.Rules.Accept(r)
	if len(problems) > 0 {
		return user.User{}, &InvalidRegistration{Problems: problems}
	}
	hash, err := a.Hasher.Hash(ctx, accepted.Password.Reveal())
	if err != nil {
		return user.User{}, fmt.Errorf("hash password: %w", err)
	}
	u := user.User{ID: id, Username: accepted.Username, Email: accepted.Email, PasswordHash: hash}
	event.UserID = u.ID
	return a.Users.CreateUser(ctx, u, event)
}

// SetPassword gives the user a new password, which ends every session of theirs.
// [*InvalidRegistration], user.ErrNotFound, user.ErrBusy.
func (a Accounts) SetPassword(ctx context.Context, u user.User, password secret.String, event audit.Event) error {
	prepared, problems := a.Rules.Check(u.Username, u.Email, password.Reveal())
	if len(problems) > 0 {
		return &InvalidRegistration{Problems: problems}
	}
	hash, err := a.Hasher.Hash(ctx, prepared)
	if err != nil {
		return fmt.Errorf("hash password: %w", err)
	}
	event.UserID = u.ID
	return a.Users.SetPassword(ctx, u.ID, hash, event)
}

// InvalidRegistration lists every rule that a registration or password breaks.
type InvalidRegistration struct {
	Problems []user.Problem
}

func (e *InvalidRegistration) Error() string {
	return fmt.Sprintf("registration breaks %d rules", len(e.Problems))
}
