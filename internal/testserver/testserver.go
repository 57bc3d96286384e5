// Package testserver gives tests real servers: an empty Postgres database, an empty Redis database, or a server of
// their own to stop, kill and cut off.
//
// Postgres and Redis hand out parts of servers that many tests share: those named by MINTMARK_TEST_DATABASE_URL and
// MINTMARK_TEST_REDIS_URL (`make test` starts a pair for the whole run and sets both), else servers this process starts
// when the first test asks. On a given server it changes only what it made itself. StartPostgres and StartRedis always
// start their own, for tests that break them. A machine without the servers fails the test; nothing is skipped.
//
// It is for tests only: it reads the environment, and fails the test if anything is wrong.
package testserver

import (
	"context"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/testserver/server"
)

// stepLimit bounds one statement on a shared server.
const stepLimit = 30 * time.Second

// folder is where this process keeps its servers. It is process-wide because no one test owns it;
// the folder's guard removes it when the process ends.
var folder = sync.OnceValues(server.NewFolder)

// Server is a Postgres, a Redis or an nginx that one test owns. It ends with the test.
type Server struct {
	tb     testing.TB
	server *server.Server
}

// StartPostgres starts a Postgres for this test alone.
func StartPostgres(tb testing.TB) *Server {
	tb.Helper()
	return own(tb, server.StartPostgres)
}

// StartPostgresWithClock starts a Postgres for this test alone whose clock SetClock sets. It needs
// Linux and gcc.
func StartPostgresWithClock(tb testing.TB) *Server {
	tb.Helper()
	return own(tb, server.StartPostgresWithClock)
}

// StartStandby starts a standby of a Postgres for this test alone.
func StartStandby(tb testing.TB, primary *Server) *Server {
	tb.Helper()
	return own(tb, func(f *server.Folder) (*server.Server, error) { return server.StartStandby(f, primary.server) })
}

// StartRedis starts a Redis for this test alone; arguments such as "--appendonly", "yes" are added
// to its command line. Without them it keeps nothing on disk, so a stopped one comes back empty.
func StartRedis(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return own(tb, func(f *server.Folder) (*server.Server, error) { return server.StartRedis(f, args...) })
}

// StartRedisWithClock is StartRedis with a clock that SetClock sets. It needs Linux and gcc.
func StartRedisWithClock(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return own(tb, func(f *server.Folder) (*server.Server, error) { return server.StartRedisWithClock(f, args...) })
}

// StartSentinel starts a Redis Sentinel for this test alone; each line is one of its configuration
// file. It listens on its Addr; its URL is that of a Redis and of no use.
func StartSentinel(tb testing.TB, lines ...string) *Server {
	tb.Helper()
	return own(tb, func(f *server.Folder) (*server.Server, error) { return server.StartSentinel(f, lines...) })
}

// StartNginx starts an nginx for this test alone, with a configuration that listens on that port of 127.0.0.1.
func StartNginx(tb testing.TB, port int, configuration string) *Server {
	tb.Helper()
	return own(tb, func(f *server.Folder) (*server.Server, error) { return server.StartNginx(f, port, configuration) })
}

func own(tb testing.TB, start func(*server.Folder) (*server.Server, error)) *Server {
	tb.Helper()
	dir, err := folder()
	if err != nil {
		tb.Fatal(err)
	}
	started, err := start(dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := started.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &Server{tb: tb, server: started}
}

// URL is where the server listens, also while it is stopped.
func (s *Server) URL() string { return s.server.URL() }

// Addr is the server's host and port.
func (s *Server) Addr() string { return s.server.Addr() }

// Log is what the server has said.
func (s *Server) Log() string {
	s.tb.Helper()
	said, err := s.server.Log()
	if err != nil {
		s.tb.Fatal(err)
	}
	return string(said)
}

// Start runs a stopped or killed server again on the same port and data; it returns when clients
// are welcome.
func (s *Server) Start() {
	s.tb.Helper()
	if err := s.server.Start(); err != nil {
		s.tb.Fatal(err)
	}
}

// SetClock sets the server's wall clock to that far ahead of this machine's; 0 sets it right. It
// takes effect at once, in every connection, and lasts through stops. The server must have been
// started by StartPostgresWithClock or StartRedisWithClock.
func (s *Server) SetClock(ahead time.Duration) {
	s.tb.Helper()
	if err := s.server.SetClock(ahead); err != nil {
		s.tb.Fatal(err)
	}
}

// Stop ends the server in good order and returns when it is gone.
func (s *Server) Stop() {
	s.tb.Helper()
	if err := s.server.Stop(); err != nil {
		s.tb.Fatal(err)
	}
}

// Kill ends the server by SIGKILL and returns when it is gone.
func (s *Server) Kill() {
	s.tb.Helper()
	if err := s.server.Kill(); err != nil {
		s.tb.Fatal(err)
	}
}

// Demote makes a stopped or killed Postgres one that takes no writes when it starts again.
func (s *Server) Demote() {
	s.tb.Helper()
	if err := s.server.Demote(); err != nil {
		s.tb.Fatal(err)
	}
}

// step is the context of one statement. It doesn't hang on the test's own, which has ended when the
// test's clean-up runs.
func step() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), stepLimit)
}

// at is the URL of another database on the same server. The URL was parsed before.
func at(server, database string) string {
	there, err := url.Parse(server)
	if err != nil {
		return server
	}
	there.Path = "/" + database
	return there.String()
}
