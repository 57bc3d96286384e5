package app

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/store/postgres"
)

// verdict is what an error says of a store that could not be opened.
type verdict int

const (
	silent  verdict = iota // nothing
	passing                // it may pass by itself
	lasting                // somebody must mend it
)

// mayPass reports whether a store that could not be opened may be there soon: each cause that says something passes by
// itself. One that is not known lasts: whoever waited for it would wait in vain.
func mayPass(err error) bool { return judge(err) == passing }

// judge gives the worst of all causes, be they of several servers or of several ways to reach one.
func judge(err error) verdict {
	if found, known := judgeAlone(err); known {
		return found
	}
	worst := silent
	for _, cause := range causesOf(err) {
		worst = max(worst, judge(cause))
	}
	return worst
}

func causesOf(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if cause := errors.Unwrap(err); cause != nil {
		return []error{cause}
	}
	return nil
}

// judgeAlone judges an error without its causes, if it is a known one.
func judgeAlone(err error) (found verdict, known bool) {
	switch e := err.(type) { //nolint:errorlint // one node of the tree
	case *pgconn.PgError:
		return passingIf(strings.HasPrefix(e.Code, "08") && e.Code != protocolViolation || slices.Contains(passingStates, e.Code)), true
	case goredis.Error:
		return passingIf(slices.ContainsFunc(passingAnswers, func(word string) bool { return strings.HasPrefix(e.Error(), word) })), true
	case syscall.Errno:
		return passingIf(e.Timeout() || slices.Contains(passingErrnos, e)), true
	case *net.DNSError:
		return passing, true
	case *net.OpError: // a socket that is not there yet
		return passing, e.Op == "dial" && errors.Is(e.Err, fs.ErrNotExist)
	}
	if len(causesOf(err)) > 0 || isSentinel(err) {
		return silent, false
	}
	return passingIf(slices.Contains(passingCauses, err) || slices.Contains(passingTexts, err.Error())), true
}

// isSentinel tells what stands beside a cause and says nothing of it: our own sentinels, and a server that speaks no TLS
// where the URL allows for that.
func isSentinel(err error) bool {
	return slices.Contains([]error{ErrUnavailable, db.ErrUnavailable, postgres.ErrUnavailable}, err) ||
		err.Error() == "server refused TLS connection" // pgx has no name for it
}

// protocolViolation is what a pooler answers to a startup parameter that it does not know.
const protocolViolation = "08P01"

func passingIf(yes bool) verdict {
	if yes {
		return passing
	}
	return lasting
}

var (
	// passingStates are of a Postgres that starts, ends or is full; 08 are broken connections
	// (https://www.postgresql.org/docs/current/errcodes-appendix.html).
	passingStates = []string{"57P01", "57P02", "57P03", "53300"}
	// passingAnswers begin those of a Redis that starts, lost its primary or is full, and of Sentinels that know none yet.
	passingAnswers = []string{"LOADING ", "MASTERDOWN ", "CLUSTERDOWN ", "TRYAGAIN ", "ERR max number of clients reached", "redis: nil"}
	passingCauses  = []error{
		context.DeadlineExceeded, os.ErrDeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, goredis.ErrPoolTimeout,
		pgconn.ErrReadOnlyConnection, // a standby, until it or another is promoted
	}
	passingTexts = []string{"redis: cluster has no nodes", "redis: all sentinels specified in configuration are unreachable", "i/o timeout"}
)
