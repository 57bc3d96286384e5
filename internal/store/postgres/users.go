package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/text"
	"github.com/mintmark-auth/mintmark/internal/user"
)

const userColumns = `id, coalesce(username, ''), coalesce(email, ''), coalesce(password_hash, ''), coalesce(skeleton, ''),
	created_at, disabled_at, deleted_at, sessions_valid_after`

func scanUser(row pgx.CollectableRow) (user.User, error) {
	var u user.User
	var disabled, deleted *time.Time
	err := row.Scan(&u.ID, &u.Username, &u.Email, &u.PasswordHash, &u.Skeleton, &u.CreatedAt, &disabled, &deleted, &u.SessionsValidAfter)
	u.CreatedAt, u.DisabledAt, u.DeletedAt = u.CreatedAt.UTC(), when(disabled), when(deleted)
	u.SessionsValidAfter = u.SessionsValidAfter.UTC()
	return u, err
}

// CreateUser implements [user.Store].
func (s *Store) CreateUser(ctx context.Context, u user.User, event audit.Event) (user.User, error) {
	name, err := user.CanonicalUsername(u.Username)
	if err != nil {
		return user.User{}, fmt.Errorf("create user: %w", err)
	}
	address, err := user.CanonicalEmail(u.Email)
	if err != nil {
		return user.User{}, fmt.Errorf("create user: %w", err)
	}
	u.Skeleton = user.Skeleton(u.Username)
	err = s.transact(ctx, callTimeout, func(ctx context.Context, tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `INSERT INTO users
			(id, username, username_canonical, skeleton, email, email_canonical, password_hash, created_at, sessions_valid_after)
			SELECT $1, $2, $3, $4, $5, $6, $7, clock.now, clock.now FROM (SELECT clock_timestamp() AS now) clock
			RETURNING created_at`,
			u.ID, u.Username, name, u.Skeleton, u.Email, address, u.PasswordHash).Scan(&u.CreatedAt); err != nil {
			return taken(err)
		}
		return appendEvents(ctx, tx, event)
	})
	if err != nil {
		return user.User{}, fmt.Errorf("create user: %w", err)
	}
	u.CreatedAt = u.CreatedAt.UTC()
	u.SessionsValidAfter = u.CreatedAt
	return u, nil
}

// taken names the unique column that was in the way. Postgres checks the name's
// constraint first, since it was made first. The trigger that keeps names and addresses
// apart refuses in the name of these constraints.
func taken(err error) error {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case ok && (refused.ConstraintName == "users_username_unique" || refused.ConstraintName == "users_skeleton_unique"):
		return user.ErrUsernameTaken
	case ok && refused.ConstraintName == "users_email_unique":
		return user.ErrEmailTaken
	default:
		return err
	}
}

// UserByUsername implements [user.Store].
func (s *Store) UserByUsername(ctx context.Context, canonical string) (user.User, error) {
	return s.userBy(ctx, `username_canonical = $1`, canonical)
}

// UserByEmail implements [user.Store].
func (s *Store) UserByEmail(ctx context.Context, canonical string) (user.User, error) {
	return s.userBy(ctx, `email_canonical = $1`, canonical)
}

// UserByLogin implements [user.Store].
func (s *Store) UserByLogin(ctx context.Context, login user.Login) (user.User, error) {
	return s.userBy(ctx, `username_canonical = $1 OR email_canonical = $2 ORDER BY username_canonical = $1 DESC LIMIT 1`, login.Name, login.Email)
}

// userBy finds the user whose columns have these values.
func (s *Store) userBy(ctx context.Context, condition string, values ...string) (user.User, error) {
	if slices.ContainsFunc(values, func(value string) bool { return !text.Valid(value) }) {
		return user.User{}, fmt.Errorf("find user: %w", user.ErrNotFound)
	}
	args := make([]any, len(values))
	for i, value := range values {
		args[i] = value
	}
	u, err := one(ctx, s, user.ErrNotFound, scanUser, `SELECT `+userColumns+` FROM users WHERE `+condition, args...)
	if err != nil {
		return user.User{}, fmt.Errorf("find user: %w", err)
	}
	return u, nil
}

// UserByID implements [user.Store].
func (s *Store) UserByID(ctx context.Context, id string) (user.User, error) {
	if !isID(id) {
		return user.User{}, fmt.Errorf("find user: %w", user.ErrNotFound)
	}
	u, err := one(ctx, s, user.ErrNotFound, scanUser, `SELECT `+userColumns+` FROM users WHERE id = $1`, id)
	if err != nil {
		return user.User{}, fmt.Errorf("find user: %w", err)
	}
	return u, nil
}

// Users implements [user.Store].
func (s *Store) Users(ctx context.Context, page user.Page) ([]user.User, error) {
	return s.users(ctx, `deleted_at IS NULL`, page)
}

// users lists those that fulfil a condition.
func (s *Store) users(ctx context.Context, condition string, page user.Page) ([]user.User, error) {
	after := page.After
	switch {
	case after == "":
		after = "00000000-0000-0000-0000-000000000000"
	case !isID(after):
		return nil, nil
	}
	users, err := all(ctx, s, scanUser, `SELECT `+userColumns+` FROM users
		WHERE `+condition+` AND id > $1 ORDER BY id LIMIT $2`, after, pageSize(page.Limit))
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return users, nil
}

// ReplaceHash implements [user.Store].
func (s *Store) ReplaceHash(ctx context.Context, id, old, better string) error {
	if !isID(id) {
		return nil
	}
	err := s.again(ctx, callTimeout, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2`, id, old, better)
		return err
	})
	if err != nil {
		return fmt.Errorf("replace password hash: %w", err)
	}
	return nil
}

// SetPassword implements [user.Store].
func (s *Store) SetPassword(ctx context.Context, id, hash string, event audit.Event) error {
	err := s.changeUser(ctx, id, func(ctx context.Context, tx pgx.Tx) error {
		if err := changeOne(ctx, tx, user.ErrNotFound, `UPDATE users SET password_hash = $2
			WHERE id = $1 AND deleted_at IS NULL`, id, hash); err != nil {
			return err
		}
		return endSessions(ctx, tx, id, session.ReasonPassword, event)
	})
	if err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return nil
}

// DisableUser implements [user.Store].
func (s *Store) DisableUser(ctx context.Context, id string, event audit.Event) error {
	err := s.changeUser(ctx, id, func(ctx context.Context, tx pgx.Tx) error {
		if err := changeOne(ctx, tx, user.ErrNotFound, `UPDATE users SET disabled_at = coalesce(disabled_at, clock_timestamp())
			WHERE id = $1 AND deleted_at IS NULL`, id); err != nil {
			return err
		}
		return endSessions(ctx, tx, id, session.ReasonUser, event)
	})
	if err != nil {
		return fmt.Errorf("disable user: %w", err)
	}
	return nil
}

// EnableUser implements [user.Store].
func (s *Store) EnableUser(ctx context.Context, id string, event audit.Event) error {
	err := s.changeUser(ctx, id, func(ctx context.Context, tx pgx.Tx) error {
		if err := changeOne(ctx, tx, user.ErrNotFound, `UPDATE users SET disabled_at = NULL
			WHERE id = $1 AND deleted_at IS NULL`, id); err != nil {
			return err
		}
		return appendEvents(ctx, tx, event)
	})
	if err != nil {
		return fmt.Errorf("enable user: %w", err)
	}
	return nil
}

// DeleteUser implements [user.Store].
func (s *Store) DeleteUser(ctx context.Context, id string, event audit.Event) error {
	err := s.changeUser(ctx, id, func(ctx context.Context, tx pgx.Tx) error {
		if err := changeOne(ctx, tx, user.ErrNotFound, `UPDATE users SET deleted_at = clock_timestamp(), username = NULL,
			username_canonical = NULL, email = NULL, email_canonical = NULL, password_hash = NULL
			WHERE id = $1 AND deleted_at IS NULL`, id); err != nil {
			return err
		}
		return endSessions(ctx, tx, id, session.ReasonUser, event)
	})
	if err != nil {
		return fmt.Errorf("delete user: %w", err)
	}
	return nil
}

func (s *Store) changeUser(ctx context.Context, id string, work func(context.Context, pgx.Tx) error) error {
	if !isID(id) {
		return user.ErrNotFound
	}
	return s.transact(ctx, callTimeout, work)
}

// endSessions ends every session of a user whose row the transaction has locked,
// and writes the event that goes with it. Sessions being started wait for that
// lock and then find the boundary moved, which it is even if the clock isn't.
// Session rows are locked in order of id, as everywhere.
func endSessions(ctx context.Context, tx pgx.Tx, userID, reason string, event audit.Event) error {
	if _, err := tx.Exec(ctx, `UPDATE users
		SET sessions_valid_after = greatest(clock_timestamp(), sessions_valid_after + interval '1 microsecond')
		WHERE id = $1`, userID); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `WITH live AS (
			SELECT family FROM sessions WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE
		) UPDATE sessions s SET revoked_at = clock_timestamp(), revoke_reason = $2
		FROM live WHERE s.family = live.family`, userID, reason); err != nil {
		return err
	}
	return appendEvents(ctx, tx, event)
}
