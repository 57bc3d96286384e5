package operator

import (
	"context"
	"errors"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// AmbiguousUser is the error for a word that could mean either of two users, whose ids it
// holds: one may have it as name, another as e-mail address or id. ByID is also empty where
// the word reads as an id that no user has.
type AmbiguousUser struct{ ByID, ByName, ByEmail string }

func (e *AmbiguousUser) Error() string {
	if e.ByEmail != "" {
		return "it is the name of the user " + e.ByName + " and the e-mail address of the user " + e.ByEmail
	}
	return "it reads as an id, and is the name or e-mail address of the user " + e.ByName
}

// FindUser finds a user by id, tombstones included, or else by name or e-mail address, each
// in any spelling. A word that reads as an id finds nobody by name: whoever wrote it may mean
// another user, so they must choose [Operator.FindUserByID] or [Operator.FindUserByName].
// user.ErrNotFound, [*AmbiguousUser].
func (o *Operator) FindUser(ctx context.Context, word string) (user.User, error) {
	known, err := o.FindUserByID(ctx, word)
	if err != nil && !errors.Is(err, user.ErrNotFound) {
		return user.User{}, err
	}
	named, nameErr := o.FindUserByName(ctx, word)
	switch {
	case errors.Is(nameErr, user.ErrNotFound):
		return known, err
	case nameErr != nil:
		return user.User{}, nameErr
	case named.ID != known.ID && readsAsID(word):
		return user.User{}, &AmbiguousUser{ByID: known.ID, ByName: named.ID}
	}
	return named, nil
}

// FindUserByID finds a user by id, tombstones included. user.ErrNotFound.
func (o *Operator) FindUserByID(ctx context.Context, word string) (user.User, error) {
	id, ok := user.ParseID(word)
	if !ok {
		return user.User{}, user.ErrNotFound
	}
	return o.Users.UserByID(ctx, id)
}

// FindUserByName finds a user by name or e-mail address. user.ErrNotFound, [*AmbiguousUser].
func (o *Operator) FindUserByName(ctx context.Context, word string) (user.User, error) {
	named, nameErr := o.userByName(ctx, word)
	addressed, emailErr := o.userByEmail(ctx, word)
	switch {
	case errors.Is(nameErr, user.ErrNotFound):
		return addressed, emailErr
	case errors.Is(emailErr, user.ErrNotFound):
		return named, nameErr
	case nameErr != nil || emailErr != nil:
		return user.User{}, errors.Join(nameErr, emailErr)
	case named.ID != addressed.ID:
		return user.User{}, &AmbiguousUser{ByName: named.ID, ByEmail: addressed.ID}
	}
	return named, nil
}

func readsAsID(word string) bool {
	_, isID := user.ParseID(word)
	name, err := user.CanonicalUsername(word)
	return isID || err == nil && user.ReadsAsID(name)
}

func (o *Operator) userByName(ctx context.Context, word string) (user.User, error) {
	name, err := user.CanonicalUsername(word)
	if err != nil { // no user can have such a name
		return user.User{}, user.ErrNotFound
	}
	return o.Users.UserByUsername(ctx, name)
}

func (o *Operator) userByEmail(ctx context.Context, word string) (user.User, error) {
	address, err := user.CanonicalEmail(word)
	if err != nil {
		return user.User{}, user.ErrNotFound
	}
	return o.Users.UserByEmail(ctx, address)
}

// ListUsers lists the users that are not deleted, the oldest first.
func (o *Operator) ListUsers(ctx context.Context, page user.Page) ([]user.User, error) {
	return o.Users.Users(ctx, page)
}

// Collision is a user whose name looks like that of another.
type Collision struct {
	user.User
	Other user.User
}

// Collisions lists users whose names look like those of others who had them first, the oldest
// first. A user whose name serve has yet to compare may be missing.
func (o *Operator) Collisions(ctx context.Context, page user.Page) ([]Collision, error) {
	var found []Collision
	for next := (user.Page{After: page.After, Limit: 1000}); ; {
		users, err := o.Users.UsersWithoutSkeleton(ctx, next)
		if err != nil {
			return nil, err
		}
		for _, u := range users {
			other, err := o.Users.UserBySkeleton(ctx, user.Skeleton(u.Username))
			if err != nil && !errors.Is(err, user.ErrNotFound) {
				return nil, err
			}
			if err == nil && other.ID != u.ID {
				found = append(found, Collision{u, other})
			}
			if len(found) == page.Limit {
				return found, nil
			}
			next.After = u.ID
		}
		if len(users) < next.Limit {
			return found, nil
		}
	}
}

// CreateUser adds a user by the rules of registration, also where that is closed. The
// errors of [authority.Accounts.Add].
func (o *Operator) CreateUser(ctx context.Context, by audit.Actor, r user.Registration) (user.User, error) {
	return o.accounts().Add(ctx, r, audit.New(audit.UserCreated, by))
}

// SetPassword gives a user a new password and ends every session of theirs.
// user.ErrNotFound, and the errors of [authority.Accounts.SetPassword].
func (o *Operator) SetPassword(ctx context.Context, by audit.Actor, id string, password secret.String) error {
	u, err := o.Users.UserByID(ctx, id)
	if err != nil {
		return err
	}
	return o.accounts().SetPassword(ctx, u, password, audit.New(audit.UserPasswordChanged, by))
}

func (o *Operator) accounts() authority.Accounts {
	return authority.Accounts{Users: o.Users, Rules: o.Password, Hasher: o.Hasher}
}

// DisableUser refuses a user from now on and ends every session of theirs.
// user.ErrNotFound.
func (o *Operator) DisableUser(ctx context.Context, by audit.Actor, id string) error {
	return o.Users.DisableUser(ctx, id, onUser(audit.UserDisabled, by, id))
}

// EnableUser lets a disabled user log in again; sessions that were ended stay ended.
// user.ErrNotFound.
func (o *Operator) EnableUser(ctx context.Context, by audit.Actor, id string) error {
	return o.Users.EnableUser(ctx, id, onUser(audit.UserEnabled, by, id))
}

// DeleteUser deletes a user for good and leaves a tombstone. user.ErrNotFound.
func (o *Operator) DeleteUser(ctx context.Context, by audit.Actor, id string) error {
	return o.Users.DeleteUser(ctx, id, onUser(audit.UserDeleted, by, id))
}

// onUser starts the event of what an operator does to a user.
func onUser(kind audit.Kind, by audit.Actor, id string) audit.Event {
	event := audit.New(kind, by)
	event.UserID = id
	return event
}
