package postgres

import (
	"os"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

// FuzzEveryURLThatParsesMakesAPool: what storeurl accepts, pgx takes, unless it names files.
func FuzzEveryURLThatParsesMakesAPool(f *testing.F) {
	f.Add("postgres://u:hun'ter\\2@h:5432,h2/d?sslmode=disable&pool_max_conns=16&pool_min_conns=16")
	f.Add("postgres:///d?host=/run/pg&port=1&lock_timeout=1s&require_auth=!md5&options=-c%20work_mem%3D8MB")
	f.Add("postgres://[::1]/?min_protocol_version=3.2&default_query_exec_mode=exec&statement_cache_capacity=0")
	f.Add("postgres://h?sslnegotiation=direct&channel_binding=require&target_session_attrs=primary&sslcertmode=require&sslsni=0")
	f.Add("postgres://h?connect_timeout=3600&description_cache_capacity=65536&timezone=UTC&role=a%20b&application_name=%27")
	f.Fuzz(func(t *testing.T, text string) {
		url, err := storeurl.ParsePostgres(text)
		if err != nil {
			return
		}
		config, err := poolConfig(url)
		switch {
		case err != nil && !namesFile(url):
			t.Errorf("%q is accepted, but: %v", text, err)
		case err == nil && (config.MaxConns < 1 || max(config.MinConns, config.MinIdleConns) > config.MaxConns || config.HealthCheckPeriod <= 0):
			t.Errorf("%q makes a pool that cannot work: %+v", text, config)
		}
	})
}

func namesFile(url storeurl.Postgres) bool {
	for _, parameter := range []string{"service", "sslcert", "sslrootcert"} {
		if strings.Contains(url.KeywordValues().Reveal(), parameter+"='") {
			return true
		}
	}
	return os.Getenv("PGSERVICE") != ""
}
