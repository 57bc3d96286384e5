package sqlite

import (
	"context"
	"fmt"

	"github.com/mintmark-auth/mintmark/internal/user"
)

// UsersWithoutSkeleton implements [user.Store].
func (s *Store) UsersWithoutSkeleton(ctx context.Context, page user.Page) ([]user.User, error) {
	return s.users(ctx, `users INDEXED BY users_without_skeleton WHERE skeleton IS NULL AND deleted_at IS NULL`, page)
}

// UserBySkeleton implements [user.Store].
func (s *Store) UserBySkeleton(ctx context.Context, skeleton string) (user.User, error) {
	return s.oneUser(ctx, `SELECT `+userColumns+` FROM users WHERE skeleton = ?`, skeleton)
}

// SetSkeleton implements [user.Store].
func (s *Store) SetSkeleton(ctx context.Context, u user.User) error {
	err := s.write(ctx, func(ctx context.Context, t tx) error {
		var others int
		if err := t.QueryRowContext(ctx, `SELECT count(*) FROM users WHERE skeleton = ? AND id <> ?`, u.Skeleton, u.ID).Scan(&others); err != nil {
			return err
		}
		if others > 0 {
			return user.ErrUsernameTaken
		}
		_, err := t.ExecContext(ctx, `UPDATE users SET skeleton = nullif(?, '') WHERE id = ? AND username = ?`, u.Skeleton, u.ID, u.Username)
		return err
	})
	if err != nil {
		return fmt.Errorf("set skeleton: %w", err)
	}
	return nil
}
