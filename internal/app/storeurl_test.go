package app_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/store/postgres"
	"github.com/mintmark-auth/mintmark/internal/store/redis"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

func openPostgres(t *testing.T, url string) error {
	t.Helper()
	store, err := postgres.Open(t.Context(), postgres.Config{URL: url})
	if err == nil {
		err = errors.Join(store.Ping(t.Context()), store.Close())
	}
	return err
}

// openSchema opens the database as migrations do.
func openSchema(t *testing.T, url string) error {
	t.Helper()
	database, err := db.Postgres(url)
	if err != nil {
		return err
	}
	_, err = database.Status(t.Context())
	return err
}

func openRedis(t *testing.T, url string) error {
	t.Helper()
	store, err := redis.Open(t.Context(), redis.Config{URL: url, LimitKey: make([]byte, 32)})
	if err == nil {
		err = store.Close()
	}
	return err
}

// checked is what `config check` says of the two URLs.
func checked(postgresURL, redisURL string) error {
	_, err := config.Load(nil, append(production(postgresURL, redisURL), "MINTMARK_DATABASE_MIGRATE_URL="+postgresURL), nil)
	return err
}

func TestAURLThatTheCheckAcceptsOpens(t *testing.T) {
	t.Parallel()
	base, err := url.Parse(testserver.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	base.RawQuery += "&connect_timeout=30" // the machine may be busy
	for _, parameters := range []string{
		"",
		"&pool_max_conns=16&pool_min_conns=1&pool_min_idle_conns=1&pool_max_conn_lifetime=1h&pool_max_conn_lifetime_jitter=1m&pool_max_conn_idle_time=5m&pool_health_check_period=1m&pool_ping_timeout=2s",
		"&application_name=mint%20mark&search_path=public&timezone=UTC&options=-c%20work_mem%3D8MB",
		"&statement_timeout=30s&lock_timeout=5000&idle_session_timeout=1h&idle_in_transaction_session_timeout=1min",
		"&target_session_attrs=read-write&channel_binding=prefer&require_auth=none&min_protocol_version=3.0&max_protocol_version=3.0",
		"&default_query_exec_mode=describe_exec&statement_cache_capacity=0&description_cache_capacity=0&sslcertmode=disable&sslsni=0",
	} {
		url := base.String() + parameters
		if err := checked(url, "redis://h"); err != nil {
			t.Errorf("%s: the check says %v", parameters, err)
		}
		if err := openPostgres(t, url); err != nil {
			t.Errorf("%s: the store says %v", parameters, err)
		}
		if err := openSchema(t, url); err != nil {
			t.Errorf("%s: migrations say %v", parameters, err)
		}
	}
	for _, url := range []string{testserver.Redis(t), "redis://" + testserver.StartRedis(t).Addr() + "?db=3"} {
		if err := errors.Join(checked("postgres://h/d", url), openRedis(t, url)); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestAURLThatDoesNotOpenIsRefusedByTheCheckInTheSameWords(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"mysql://h/d", "postgres:///d", "postgres://u:hunter2/x@h/d", "postgres://h:0/d", "postgres://h/d?sslmode=on", "postgres://h/d?ssl_mode=require",
		"postgres://h/d?pool_max_conns=0", "postgres://h/d?pool_max_conns=8&pool_min_conns=9", "postgres://h/d?default_query_exec_mode=simple_protocol", "postgres://h/d?statement_cache_capacity=0",
	} {
		sameWords(t, url, checked(url, "redis://h"), openPostgres(t, url))
		sameWords(t, url, checked(url, "redis://h"), openSchema(t, url))
	}
	for _, url := range []string{
		"memcached://h", "redis://h1,h2", "redis://h?foo=1", "redis://h/x", "redis://hunter2@h", "rediss+sentinel://h", "redis+cluster://h/1", "redis+cluster://h?db=0", "unix://h",
	} {
		sameWords(t, url, checked("postgres://h/d", url), openRedis(t, url))
	}
}

func sameWords(t *testing.T, url string, check, open error) {
	t.Helper()
	problems, ok := errors.AsType[config.Problems](check)
	if !ok || open == nil {
		t.Errorf("%s: the check says %v, opening says %v", url, check, open)
		return
	}
	for _, p := range problems {
		if !strings.HasSuffix(open.Error(), p.What+"; "+p.Mend) {
			t.Errorf("%s: the check says %s, opening says %v", url, p, open)
		}
	}
}
