package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mintmark-auth/mintmark/internal/dial"
	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

// ErrPooler is the error of [Open] where a pooler can't carry what the URL asks for.
var ErrPooler = errors.New("a pooler such as PgBouncer stands before Postgres, and statements that a client prepared may be unknown on the next connection; " +
	"remove default_query_exec_mode from the URL, set it to cache_describe, or connect to the server itself")

// throughPooler has a connection run every statement in one round trip, and prepare none: the next may be carried to
// another connection of the server.
func throughPooler(own *pgx.ConnConfig) {
	own.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	own.DescriptionCacheCapacity = max(own.DescriptionCacheCapacity, descriptions)
}

const descriptions = 512 // more than there are statements

// settle refuses a server that is too old, finds out whether a pooler, such as PgBouncer, stands before it, and has the connections from now on
// need nothing that it may not give.
func (s *Store) settle(ctx context.Context, url storeurl.Postgres) error {
	var pooled bool
	err := s.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) (err error) {
		if err := dial.CheckVersion("Postgres", conn.Conn().PgConn().ParameterStatus("server_version"), oldestServer); err != nil {
			return err
		}
		pooled, err = isPooled(ctx, conn.Conn())
		return err
	})
	if err != nil || !pooled {
		return err
	}
	if mode := url.ExecMode(); mode != "" && mode != "cache_describe" {
		return ErrPooler
	}
	s.pooled.Store(true)
	s.pool.Reset()
	return nil
}

// isPooled reports whether the process at the other end is not the one that the server names: a pooler gives every
// client a number of its own, by which it may cancel.
func isPooled(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var backend uint32
	err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`, pgx.QueryExecModeSimpleProtocol).Scan(&backend)
	return backend != conn.PgConn().PID(), err
}
