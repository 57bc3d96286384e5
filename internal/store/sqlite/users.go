package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/user"
)

const userColumns = `id, coalesce(username, ''), coalesce(email, ''), coalesce(password_hash, ''), coalesce(skeleton, ''),
	created_at, disabled_at, deleted_at, sessions_valid_after`

func scanUser(r row) (user.User, error) {
	var u user.User
	var created, disabled, deleted, valid moment
	err := r.Scan(&u.ID, &u.Username, &u.Email, &u.PasswordHash, &u.Skeleton, &created, &disabled, &deleted, &valid)
	u.CreatedAt, u.DisabledAt, u.DeletedAt, u.SessionsValidAfter = created.Time, disabled.Time, deleted.Time, valid.Time
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
	err = s.write(ctx, func(ctx context.Context, t tx) error {
		if err := t.free(ctx, name, address, u.Skeleton); err != nil {
			return err
		}
		u.CreatedAt, u.SessionsValidAfter = t.now, t.now
		if _, err := t.ExecContext(ctx, `INSERT INTO users
			(id, username, username_canonical, skeleton, email, email_canonical, password_hash, created_at, sessions_valid_after)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			u.ID, u.Username, name, u.Skeleton, u.Email, address, u.PasswordHash, stored(t.now), stored(t.now)); err != nil {
			return err
		}
		return t.appendEvents(ctx, event)
	})
	if err != nil {
		return user.User{}, fmt.Errorf("create user: %w", err)
	}
	return u, nil
}

// free reports whether a name and an address can be taken: nobody else writes meanwhile.
func (t tx) free(ctx context.Context, name, address, skeleton string) error {
	var names, addresses int
	err := t.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM users WHERE username_canonical = ?1 OR email_canonical = ?1 OR skeleton = ?3),
		(SELECT count(*) FROM users WHERE email_canonical = ?2 OR username_canonical = ?2)`, name, address, skeleton).Scan(&names, &addresses)
	switch {
	case err != nil:
		return err
	case names > 0:
		return user.ErrUsernameTaken
	case addresses > 0:
		return user.ErrEmailTaken
	default:
		return nil
	}
}

// UserByUsername implements [user.Store].
func (s *Store) UserByUsername(ctx context.Context, canonical string) (user.User, error) {
	return s.oneUser(ctx, `SELECT `+userColumns+` FROM users WHERE username_canonical = ?`, canonical)
}

// UserByEmail implements [user.Store].
func (s *Store) UserByEmail(ctx context.Context, canonical string) (user.User, error) {
	return s.oneUser(ctx, `SELECT `+userColumns+` FROM users WHERE email_canonical = ?`, canonical)
}

// UserByLogin implements [user.Store].
func (s *Store) UserByLogin(ctx context.Context, login user.Login) (user.User, error) {
	return s.oneUser(ctx, `SELECT `+userColumns+` FROM users WHERE username_canonical = ?1 OR email_canonical = ?2
		ORDER BY username_canonical = ?1 DESC LIMIT 1`, login.Name, login.Email)
}

// UserByID implements [user.Store].
func (s *Store) UserByID(ctx context.Context, id string) (user.User, error) {
	return s.oneUser(ctx, `SELECT `+userColumns+` FROM users WHERE id = ?`, id)
}

func (s *Store) oneUser(ctx context.Context, query string, keys ...any) (user.User, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	u, err := scanUser(s.reader.QueryRowContext(ctx, query, keys...))
	if errors.Is(err, sql.ErrNoRows) {
		err = user.ErrNotFound
	}
	if err != nil {
		return user.User{}, fmt.Errorf("find user: %w", err)
	}
	return u, nil
}

// Users implements [user.Store].
func (s *Store) Users(ctx context.Context, page user.Page) ([]user.User, error) {
	return s.users(ctx, `users WHERE deleted_at IS NULL`, page)
}

// users lists those that a table with a condition gives.
func (s *Store) users(ctx context.Context, from string, page user.Page) ([]user.User, error) {
	if page.After != "" && !isID(page.After) {
		return nil, nil
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	//nolint:gosec // constants; values are bound
	rows, err := s.reader.QueryContext(ctx, `SELECT `+userColumns+` FROM `+from+`
		AND id > ? ORDER BY id LIMIT ?`, page.After, pageSize(page.Limit))
	users, err := collect(rows, err, scanUser)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return users, nil
}

// ReplaceHash implements [user.Store].
func (s *Store) ReplaceHash(ctx context.Context, id, old, better string) error {
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		_, err := t.ExecContext(ctx, `UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?`, better, id, old)
		return err
	})
	if err != nil {
		return fmt.Errorf("replace password hash: %w", err)
	}
	return nil
}

// SetPassword implements [user.Store].
func (s *Store) SetPassword(ctx context.Context, id, hash string, event audit.Event) error {
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		if err := t.changeOne(ctx, user.ErrNotFound, `UPDATE users SET password_hash = ?
			WHERE id = ? AND deleted_at IS NULL`, hash, id); err != nil {
			return err
		}
		return t.endSessions(ctx, id, session.ReasonPassword, event)
	})
	if err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return nil
}

// DisableUser implements [user.Store].
func (s *Store) DisableUser(ctx context.Context, id string, event audit.Event) error {
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		if err := t.changeOne(ctx, user.ErrNotFound, `UPDATE users SET disabled_at = coalesce(disabled_at, ?)
			WHERE id = ? AND deleted_at IS NULL`, stored(t.now), id); err != nil {
			return err
		}
		return t.endSessions(ctx, id, session.ReasonUser, event)
	})
	if err != nil {
		return fmt.Errorf("disable user: %w", err)
	}
	return nil
}

// EnableUser implements [user.Store].
func (s *Store) EnableUser(ctx context.Context, id string, event audit.Event) error {
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		if err := t.changeOne(ctx, user.ErrNotFound, `UPDATE users SET disabled_at = NULL
			WHERE id = ? AND deleted_at IS NULL`, id); err != nil {
			return err
		}
		return t.appendEvents(ctx, event)
	})
	if err != nil {
		return fmt.Errorf("enable user: %w", err)
	}
	return nil
}

// DeleteUser implements [user.Store].
func (s *Store) DeleteUser(ctx context.Context, id string, event audit.Event) error {
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		if err := t.changeOne(ctx, user.ErrNotFound, `UPDATE users SET deleted_at = ?, username = NULL,
			username_canonical = NULL, email = NULL, email_canonical = NULL, password_hash = NULL
			WHERE id = ? AND deleted_at IS NULL`, stored(t.now), id); err != nil {
			return err
		}
		return t.endSessions(ctx, id, session.ReasonUser, event)
	})
	if err != nil {
		return fmt.Errorf("delete user: %w", err)
	}
	return nil
}

// endSessions ends every session of a user, those being started included, and
// writes the event that goes with it. The boundary moves even if the clock doesn't.
func (t tx) endSessions(ctx context.Context, userID, reason string, event audit.Event) error {
	if _, err := t.ExecContext(ctx, `UPDATE users SET sessions_valid_after = max(?, sessions_valid_after + 1)
		WHERE id = ?`, stored(t.now), userID); err != nil {
		return err
	}
	if _, err := t.ExecContext(ctx, `UPDATE sessions SET revoked_at = ?, revoke_reason = ?
		WHERE user_id = ? AND revoked_at IS NULL`, stored(t.now), reason, userID); err != nil {
		return err
	}
	return t.appendEvents(ctx, event)
}
