package testserver

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/testserver/server"
)

// Postgres makes an empty database for this test and gives its URL. It is dropped at the end
// of the test, even if there are still connections.
func Postgres(tb testing.TB) (url string) {
	tb.Helper()
	return clone(tb, "", nil)
}

// PostgresTemplate makes a database for this test that is a copy of one prepared before, and gives
// its URL. prepare (the migrations, say) runs once in this process for each name, and must close
// its connections; a copy takes a fraction of its time.
func PostgresTemplate(tb testing.TB, name string, prepare func(url string) error) (url string) {
	tb.Helper()
	return clone(tb, name, prepare)
}

func clone(tb testing.TB, template string, prepare func(url string) error) string {
	tb.Helper()
	shared, err := databases()
	if err != nil {
		tb.Fatal(err)
	}
	name, err := shared.clone(template, prepare)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := shared.drop(name); err != nil {
			tb.Error(err)
		}
	})
	return shared.at(name)
}

// databases is process-wide so that all tests share the server and the templates in it.
var databases = sync.OnceValues(openCatalog)

// catalog makes and drops databases on the shared Postgres. All its databases are called
// mintmark_test_TOKEN_N. The token is this process's own; as long as its connection lives it holds
// an advisory lock on it, by which others know what a dead process has left.
type catalog struct {
	server string // its URL
	token  string

	mu        sync.Mutex
	conn      *pgx.Conn         // under mu
	count     int               // under mu: databases made so far
	templates map[string]string // under mu: name to database
}

func openCatalog() (*catalog, error) {
	given, err := postgresURL()
	if err != nil {
		return nil, err
	}
	if base, err := url.Parse(given); err != nil || base.Host == "" {
		return nil, errors.New("MINTMARK_TEST_DATABASE_URL is not a URL: write postgres://user:password@host:port/database")
	}
	ctx, cancel := step()
	defer cancel()
	conn, err := pgx.Connect(ctx, given)
	if err != nil {
		return nil, fmt.Errorf("connect to the Postgres for tests (MINTMARK_TEST_DATABASE_URL): %w", err)
	}
	token := make([]byte, 8)
	_, _ = rand.Read(token) // never fails
	c := &catalog{server: given, token: hex.EncodeToString(token), conn: conn, templates: map[string]string{}}
	if err := c.exec("SELECT pg_advisory_lock(hashtextextended($1, 0))", c.token); err != nil {
		return nil, err
	}
	return c, c.sweep()
}

func postgresURL() (string, error) {
	if given := os.Getenv("MINTMARK_TEST_DATABASE_URL"); given != "" {
		return given, nil
	}
	dir, err := folder()
	if err != nil {
		return "", err
	}
	started, err := server.StartPostgres(dir)
	if err != nil {
		return "", err
	}
	return started.URL(), nil
}

// clone gives the name of a new database, empty or a copy of the named template.
func (c *catalog) clone(template string, prepare func(url string) error) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if prepare == nil {
		return c.create("template0")
	}
	source, ok := c.templates[template]
	if !ok {
		var err error
		if source, err = c.create("template0"); err != nil {
			return "", err
		}
		if err := prepare(c.at(source)); err != nil {
			return "", fmt.Errorf("prepare template %s: %w", template, err)
		}
		c.templates[template] = source
	}
	return c.create(source)
}

// create needs mu.
func (c *catalog) create(source string) (string, error) {
	c.count++
	name := "mintmark_test_" + c.token + "_" + strconv.Itoa(c.count)
	return name, c.exec("CREATE DATABASE " + name + " TEMPLATE " + source)
}

func (c *catalog) drop(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)")
}

// sweep drops the databases of processes that are gone: templates, and what killed ones left.
func (c *catalog) sweep() error {
	names, err := c.abandoned()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.drop(name); err != nil {
			return err
		}
	}
	return c.exec("SELECT pg_advisory_unlock(hashtextextended(split_part(name, '_', 3), 0)) FROM unnest($1::text[]) AS name", names)
}

// abandoned lists databases whose token nobody holds, and takes hold of each.
func (c *catalog) abandoned() ([]string, error) {
	ctx, cancel := step()
	defer cancel()
	rows, err := c.conn.Query(ctx, `
		SELECT datname FROM pg_database
		WHERE datname ~ '^mintmark_test_[0-9a-f]{16}_[0-9]+$' AND split_part(datname, '_', 3) <> $1
		  AND pg_try_advisory_lock(hashtextextended(split_part(datname, '_', 3), 0))`, c.token)
	if err != nil {
		return nil, fmt.Errorf("look for abandoned test databases: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look for abandoned test databases: %w", err)
	}
	return names, nil
}

func (c *catalog) exec(statement string, args ...any) error {
	ctx, cancel := step()
	defer cancel()
	if _, err := c.conn.Exec(ctx, statement, args...); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

func (c *catalog) at(database string) string { return at(c.server, database) }
