package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/store/postgres"
)

// answer is what Redis says.
type answer string

func (a answer) Error() string { return string(a) }
func (answer) RedisError()     {}

func dialling(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }

func errno(e syscall.Errno) error { return dialling(os.NewSyscallError("connect", e)) }

func state(code string) error { return &pgconn.PgError{Code: code} }

func TestOnlyWhatPassesByItselfIsWaitedFor(t *testing.T) {
	t.Parallel()
	noTLS := errors.New("server refused TLS connection")
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"refused":                        {errno(syscall.ECONNREFUSED), true},
		"unreachable host":               {errno(syscall.EHOSTUNREACH), true},
		"unreachable network":            {errno(syscall.ENETUNREACH), true},
		"timed out":                      {errno(syscall.ETIMEDOUT), true},
		"reset":                          {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		"a socket that is not there":     {errno(syscall.ENOENT), true},
		"no such host":                   {dialling(&net.DNSError{IsNotFound: true}), true},
		"a name server that fails":       {dialling(&net.DNSError{IsTemporary: true}), true},
		"ended at once":                  {io.EOF, true},
		"ended in the middle":            {fmt.Errorf("read: %w", io.ErrUnexpectedEOF), true},
		"no answer in time":              {context.DeadlineExceeded, true},
		"no packet in time":              {&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, true},
		"Postgres starts":                {state("57P03"), true},
		"Postgres ends":                  {state("57P01"), true},
		"Postgres crashed":               {state("57P02"), true},
		"Postgres is full":               {state("53300"), true},
		"a broken connection":            {state("08006"), true},
		"a pooler without a parameter":   {state("08P01"), false},
		"a standby":                      {fmt.Errorf("%w: %w", postgres.ErrUnavailable, pgconn.ErrReadOnlyConnection), true},
		"Redis loads":                    {answer("LOADING Redis is loading the dataset in memory"), true},
		"Redis lost its primary":         {answer("MASTERDOWN Link with MASTER is down"), true},
		"Cluster is down":                {answer("CLUSTERDOWN The cluster is down"), true},
		"Sentinels know no primary":      {fmt.Errorf("redis: all sentinels specified in configuration are unreachable: %w", goredis.Nil), true},
		"Sentinels are not there":        {fmt.Errorf("all: %w", errors.Join(errno(syscall.ECONNREFUSED), errno(syscall.ECONNREFUSED))), true},
		"Cluster has no nodes":           {errors.New("redis: cluster has no nodes"), true},
		"in our words":                   {fmt.Errorf("%w: %w; mend it", ErrUnavailable, fmt.Errorf("%w: %w", postgres.ErrUnavailable, errno(syscall.ECONNREFUSED))), true},
		"in the words of the schema":     {fmt.Errorf("%w: %w", db.ErrUnavailable, state("57P03")), true},
		"after TLS, which it may lack":   {errors.Join(noTLS, state("57P03")), true},
		"a wrong password":               {state("28P01"), false},
		"pg_hba.conf":                    {state("28000"), false},
		"an unknown database":            {state("3D000"), false},
		"a wrong password of Redis":      {answer("WRONGPASS invalid username-password pair or user is disabled."), false},
		"no password for Redis":          {answer("NOAUTH Authentication required."), false},
		"no permission":                  {answer("NOPERM this user has no permissions"), false},
		"no such database of Redis":      {answer("ERR DB index is out of range"), false},
		"no TLS, which it must have":     {noTLS, false},
		"an unknown certificate":         {fmt.Errorf("tls error: %w", x509.UnknownAuthorityError{}), false},
		"a forbidden socket":             {errno(syscall.EACCES), false},
		"an interruption":                {context.Canceled, false},
		"an unmigrated schema":           {fmt.Errorf("%w: run migrate up", db.ErrSchemaBehind), false},
		"a server that is too old":       {errors.New("ERR unknown command 'X'"), false},
		"only our words":                 {ErrUnavailable, false},
		"one server refuses, one starts": {errors.Join(state("28P01"), state("57P03")), false},
	} {
		if got := mayPass(c.err); got != c.want {
			t.Errorf("%s: waited for %v, want %v", name, got, c.want)
		}
	}
}

// trying waits in a bubble for a store that gives these errors, the last again and again.
func trying(ctx context.Context, t *testing.T, wait time.Duration, errs ...error) (took time.Duration, tries int, said []string, err error) {
	t.Helper()
	s := newStartup(wait, func(line string) { said = append(said, line) })
	begun := time.Now()
	err = s.reach(ctx, "Postgres", func(context.Context) error {
		tries++
		return errs[min(tries, len(errs))-1]
	})
	return time.Since(begun), tries, said, err
}

func TestAStoreIsWaitedForUntilItIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := errno(syscall.ECONNREFUSED)
		took, tries, said, err := trying(t.Context(), t, time.Minute, refused, refused, state("57P03"), nil)
		if err != nil || tries != 4 || took != 700*time.Millisecond {
			t.Errorf("%v after %d tries and %s, want 4 in 100 + 200 + 400 ms", err, tries, took)
		}
		want := []string{"waiting up to 1m0s for Postgres: dial tcp: connect: connection refused", "Postgres is reachable now"}
		if diff := cmp.Diff(want, said); diff != "" {
			t.Errorf("said (-want +got):\n%s", diff)
		}
	})
}

// TestTheWaitEnds after its time, with an error that says what was waited for and how long.
func TestTheWaitEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := fmt.Errorf("%w: %w; mend it", ErrUnavailable, errno(syscall.ECONNREFUSED))
		took, tries, said, err := trying(t.Context(), t, time.Minute, refused)
		if took != time.Minute || tries < 60 || tries > 70 || len(said) != 1 {
			t.Errorf("%d tries in %s, and %q", tries, took, said)
		}
		if !errors.Is(err, ErrUnavailable) || !strings.HasSuffix(err.Error(), "; gave up after waiting 1m0s for Postgres (MINTMARK_STARTUP_WAIT)") {
			t.Errorf("got %v", err)
		}
		for name, c := range map[string]struct {
			wait time.Duration
			err  error
		}{"without a wait": {0, refused}, "what lasts": {time.Minute, state("28P01")}} {
			if took, tries, said, err := trying(t.Context(), t, c.wait, c.err); took != 0 || tries != 1 || len(said) != 0 || !errors.Is(err, c.err) {
				t.Errorf("%s: %d tries in %s, %q, %v; want one", name, tries, took, said, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if took, _, _, err := trying(ctx, t, time.Minute, refused); took != 1500*time.Millisecond || err == nil {
			t.Errorf("an interrupted wait: %v after %s", err, took)
		}
	})
}

// TestTheWaitIsForAllStoresTogether.
func TestTheWaitIsForAllStoresTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStartup(10*time.Second, func(string) {})
		begun := time.Now()
		for _, name := range []string{"Postgres", "Redis"} {
			_ = s.reach(t.Context(), name, func(context.Context) error {
				if name == "Postgres" && time.Since(begun) > 6*time.Second {
					return nil
				}
				return io.EOF
			})
		}
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("waited for %s, want 10s", took)
		}
	})
}
