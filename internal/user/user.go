// Package user defines the users: the rules for names, e-mail addresses and passwords, how a password is hashed and
// compared, and the contract of a store of users.
//
// It protects two invariants: two users never share a name or an address in any spelling, and checking a password costs
// the same work, and reveals nothing, whether or not the user exists. It does not deal with sessions.
package user

import "time"

// User is one person who can log in.
type User struct {
	ID           string // UUIDv7; the `sub` of the user's tokens
	Username     string // as typed, NFC
	Email        string // as typed
	PasswordHash string // PHC string, argon2id
	Skeleton     string // of Username, see [Skeleton]; "" if none is stored: two names look alike, or nobody has looked yet

	CreatedAt          time.Time
	DisabledAt         time.Time // zero: enabled
	DeletedAt          time.Time // zero: not deleted; a deleted user is a tombstone without name, address and hash
	SessionsValidAfter time.Time // sessions started before are over; moves on every revoke-all
}

// Active reports whether the user may log in and refresh.
func (u User) Active() bool {
	return u.DisabledAt.IsZero() && u.DeletedAt.IsZero()
}
