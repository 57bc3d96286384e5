package app

import (
	"context"

	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// operator is the actor of the events that operators' commands leave.
const operator = "operator"

// Accounts adds users and sets their passwords for an operator: by the rules and
// with the hashes of serve, without the rest of an authority.
type Accounts struct {
	users  user.Store
	rules  *user.Rules
	hasher *user.Hasher
}

// NewAccounts returns the accounts in stores.
func NewAccounts(cfg config.Config, stores *Stores) (*Accounts, error) {
	hasher, err := newHasher(cfg)
	if err != nil {
		return nil, err
	}
	return &Accounts{users: stores.Users, rules: user.NewRules(cfg.PasswordMinLength), hasher: hasher}, nil
}

// Add adds a user. [*authority.InvalidRegistration], user.ErrUsernameTaken,
// user.ErrEmailTaken.
func (a *Accounts) Add(ctx context.Context, r user.Registration) (user.User, error) {
	accepted, problems := a.rules.Accept(r)
	if len(problems) > 0 {
		return user.User{}, &authority.InvalidRegistration{Problems: problems}
	}
	hash, err := a.hasher.Hash(ctx, accepted.Password.Reveal())
	if err != nil {
		return user.User{}, err
	}
	u := user.User{ID: uuid.Must(uuid.NewV7()).String(), Username: accepted.Username, Email: accepted.Email, PasswordHash: hash}
	event := audit.New(audit.UserCreated, operator)
	event.UserID = u.ID
	return a.users.CreateUser(ctx, u, event)
}

// SetPassword gives the user a new password, which ends every session of theirs.
// [*authority.InvalidRegistration], user.ErrNotFound.
func (a *Accounts) SetPassword(ctx context.Context, u user.User, password secret.String) error {
	prepared, problems := a.rules.Check(u.Username, u.Email, password.Reveal())
	if len(problems) > 0 {
		return &authority.InvalidRegistration{Problems: problems}
	}
	hash, err := a.hasher.Hash(ctx, prepared)
	if err != nil {
		return err
	}
	event := audit.New(audit.UserPasswordChanged, operator)
	event.UserID = u.ID
	return a.users.SetPassword(ctx, u.ID, hash, event)
}

func newHasher(cfg config.Config) (*user.Hasher, error) {
	return user.NewHasher(user.Params{
		MemoryKiB: uint32(cfg.PasswordMemoryKiB), Time: uint32(cfg.PasswordTime), Threads: 1,
	}, cfg.PasswordMaxConcurrent, hashWait)
}

// SigningKeys lists every signing key with its state, in order of activation. It
// opens no private half and needs no root secret.
func SigningKeys(ctx context.Context, cfg config.Config, stores *Stores) ([]keyring.Listed, error) {
	return keyring.New(stores.Keys, nil, keyPolicy(cfg)).List(ctx)
}

func keyPolicy(cfg config.Config) keyring.Policy {
	return keyring.Policy{RotateEvery: cfg.KeysRotateEvery, PublishAhead: cfg.KeysPublishAhead, Retain: cfg.KeysRetain}
}
