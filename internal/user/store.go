package user

import (
	"context"
	"errors"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// Errors that every [Store] promises.
var (
	ErrNotFound      = errors.New("no such user")
	ErrUsernameTaken = errors.New("username is taken")
	ErrEmailTaken    = errors.New("e-mail address is taken")
)

// Page asks for a stretch of a listing in order of creation.
type Page struct {
	After string // the id of the last row seen, "" for the first page
	Limit int    // 1 to 1000
}

// Store keeps users. Methods that change something commit the audit event in
// the same transaction. Times are the database's.
type Store interface {
	// CreateUser adds the user under its canonical name and address (see
	// [CanonicalUsername] and [CanonicalEmail]) and returns it with Skeleton, CreatedAt and
	// SessionsValidAfter set. ErrUsernameTaken, also if the name looks like that of another
	// user (see [Skeleton]) or is the address of one; ErrEmailTaken, also if the address is
	// the name of one.
	CreateUser(ctx context.Context, u User, event audit.Event) (User, error)
	// UserByUsername finds a user by canonical name. ErrNotFound, also for a tombstone.
	UserByUsername(ctx context.Context, canonical string) (User, error)
	// UserByEmail finds a user by canonical address. ErrNotFound, also for a tombstone.
	UserByEmail(ctx context.Context, canonical string) (User, error)
	// UserByLogin finds the user who has the name or the address. ErrNotFound, also for a
	// tombstone. No two users fit, unless that was so before the store kept names and
	// addresses apart: then it is the one with the name, who could log in with it.
	UserByLogin(ctx context.Context, login Login) (User, error)
	// UserByID finds a user, tombstones included. ErrNotFound.
	UserByID(ctx context.Context, id string) (User, error)
	// Users lists users that are not deleted.
	Users(ctx context.Context, page Page) ([]User, error)
	// ReplaceHash stores a better hash of the same password, if the stored one is
	// still old. It ends no session and is no error when it came too late.
	ReplaceHash(ctx context.Context, id, old, better string) error

	// UsersWithoutSkeleton lists users that are not deleted and whose name has no stored
	// skeleton, in order of creation.
	UsersWithoutSkeleton(ctx context.Context, page Page) ([]User, error)
	// UserBySkeleton finds the user whose name has this stored skeleton. ErrNotFound.
	UserBySkeleton(ctx context.Context, skeleton string) (User, error)
	// SetSkeleton stores u.Skeleton, unless the user has another name by now.
	// ErrUsernameTaken if another user has the skeleton.
	SetSkeleton(ctx context.Context, u User) error

	// SetPassword stores the hash of a new password and ends every session of the
	// user in the same transaction. ErrNotFound.
	SetPassword(ctx context.Context, id, hash string, event audit.Event) error
	// DisableUser refuses the user from now on and ends every session. ErrNotFound.
	DisableUser(ctx context.Context, id string, event audit.Event) error
	// EnableUser lets a disabled user log in again; ended sessions stay ended. ErrNotFound.
	EnableUser(ctx context.Context, id string, event audit.Event) error
	// DeleteUser ends every session and leaves a tombstone: the id stays, the
	// name, address and hash go, so that both can be used again. ErrNotFound.
	DeleteUser(ctx context.Context, id string, event audit.Event) error
}
