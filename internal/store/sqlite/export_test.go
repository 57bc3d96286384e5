package sqlite

import "context"

// Flushing tells how far durable and rotation writes are flushed (PRAGMA synchronous).
func (s *Store) Flushing(ctx context.Context) (durable, rotation int, err error) {
	if err := s.durable.QueryRowContext(ctx, `PRAGMA synchronous`).Scan(&durable); err != nil {
		return 0, 0, err
	}
	err = s.rotation.QueryRowContext(ctx, `PRAGMA synchronous`).Scan(&rotation)
	return durable, rotation, err
}

// OpenThrough opens the database through another driver than SQLite's own.
func OpenThrough(ctx context.Context, driver string, config Config) (*Store, error) {
	config.driver = driver
	return Open(ctx, config)
}

// CloseRotation closes the handle whose commits are not flushed.
func (s *Store) CloseRotation() error { return s.rotation.Close() }

// DrawFrom has the store draw status indexes in another way.
func (s *Store) DrawFrom(draw func(highest int64) []int64) { s.draw = draw }
