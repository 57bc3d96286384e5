package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/user"
)

// UsersWithoutSkeleton implements [user.Store].
func (s *Store) UsersWithoutSkeleton(ctx context.Context, page user.Page) ([]user.User, error) {
	return s.users(ctx, `skeleton IS NULL AND deleted_at IS NULL`, page)
}

// UserBySkeleton implements [user.Store].
func (s *Store) UserBySkeleton(ctx context.Context, skeleton string) (user.User, error) {
	return s.userBy(ctx, `skeleton = $1`, skeleton)
}

// SetSkeleton implements [user.Store]. It looks first: each row that the constraint refused
// would be left behind in the table, time and again.
func (s *Store) SetSkeleton(ctx context.Context, u user.User) error {
	if !isID(u.ID) {
		return nil
	}
	err := s.transact(ctx, callTimeout, func(ctx context.Context, tx pgx.Tx) error {
		var others bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM users WHERE skeleton = $1 AND id <> $2)`, u.Skeleton, u.ID).Scan(&others); err != nil {
			return err
		}
		if others {
			return user.ErrUsernameTaken
		}
		_, err := tx.Exec(ctx, `UPDATE users SET skeleton = nullif($1, '') WHERE id = $2 AND username = $3`, u.Skeleton, u.ID, u.Username)
		return taken(err)
	})
	if err != nil {
		return fmt.Errorf("set skeleton: %w", err)
	}
	return nil
}
