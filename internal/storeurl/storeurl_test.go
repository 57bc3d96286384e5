package storeurl_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

// redis is what a URL says, secrets revealed.
type redis struct {
	Addrs                     []string
	Username, Password        string
	SentinelUser, SentinelPwd string
	Master                    string
	DB                        int
	Cluster, TLS              bool
}

func TestEveryFormOfRedisURLIsRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]redis{
		"redis://h":                      {Addrs: []string{"h:6379"}},
		"redis://h:1/":                   {Addrs: []string{"h:1"}},
		"redis://AZaz09-._:65535":        {Addrs: []string{"AZaz09-._:65535"}},
		"redis://:p%40ss@h:6380/3":       {Addrs: []string{"h:6380"}, Password: "p@ss", DB: 3},
		"redis://u:p@h?db=2":             {Addrs: []string{"h:6379"}, Username: "u", Password: "p", DB: 2},
		"redis://:a+b@h/65535":           {Addrs: []string{"h:6379"}, Password: "a+b", DB: 65535},
		"rediss://u:p@[::1]:6380/0":      {Addrs: []string{"[::1]:6380"}, Username: "u", Password: "p", TLS: true},
		"redis://[::1]":                  {Addrs: []string{"[::1]:6379"}},
		"redis+sentinel://h1,h2:1/main":  {Addrs: []string{"h1:26379", "h2:1"}, Master: "main"},
		"rediss+sentinel://u:p@h/m?db=4": {Addrs: []string{"h:26379"}, Username: "u", Password: "p", Master: "m", DB: 4, TLS: true},
		"redis+cluster://h1:1,h2":        {Addrs: []string{"h1:1", "h2:6379"}, Cluster: true},
		"redis+cluster://h1/0":           {Addrs: []string{"h1:6379"}, Cluster: true},
		"rediss+cluster://u:p@h":         {Addrs: []string{"h:6379"}, Username: "u", Password: "p", Cluster: true, TLS: true},
		"unix:///run/redis.sock?db=1":    {Addrs: []string{"/run/redis.sock"}, DB: 1},
		"unix://u:p@/run/my%20redis":     {Addrs: []string{"/run/my redis"}, Username: "u", Password: "p"},
		"redis+sentinel://h/m?sentinel_username=s&sentinel_password=t%2Bt": {
			Addrs: []string{"h:26379"}, Master: "m", SentinelUser: "s", SentinelPwd: "t+t",
		},
	} {
		r, err := storeurl.ParseRedis(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := redis{r.Addrs, r.Username, r.Password.Reveal(), r.SentinelUsername, r.SentinelPassword.Reveal(), r.Master, r.DB, r.Cluster, r.TLS}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", text, diff)
		}
	}
}

func TestEveryFormOfPostgresURLIsRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"postgres://h":                                   "host='h'",
		"postgresql://u@h:1/d":                           "dbname='d' host='h' port='1' user='u'",
		"postgres://u:p%40s%27s%5C@h/d%2Fe":              `dbname='d/e' host='h' password='p@s\'s\\' user='u'`,
		"postgres://h1,h2:2/d":                           "dbname='d' host='h1,h2' port=',2'",
		"postgres://[::1]:5432,127.0.0.1/d":              "dbname='d' host='::1,127.0.0.1' port='5432,'",
		"postgres:///d?host=/run/pg&port=6432":           "dbname='d' host='/run/pg' port='6432'",
		"postgres://h/d?port=6432":                       "dbname='d' host='h' port='6432'",
		"postgres://?host=h1,[::1]&port=1,2&dbname=d":    "dbname='d' host='h1,::1' port='1,2'",
		"postgres://h/d?user=u&password=a%2Bb%26c":       "dbname='d' host='h' password='a+b&c' user='u'",
		"postgres://h?sslmode=verify-full&sslpassword=x": "host='h' sslmode='verify-full' sslpassword='x'",
		"postgres://h?pool_max_conns=9&search_path=a,b":  "host='h' search_path='a,b'",
		"postgres://h?&connect_timeout=3&":               "connect_timeout='3' host='h'",
	} {
		pg, err := storeurl.ParsePostgres(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := strings.Replace(pg.KeywordValues().Reveal(), "target_session_attrs='read-write' ", "", 1)
		if got = strings.TrimSpace(got); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

// TestAServerThatTakesWritesIsAskedForUnlessTheURLSaysOtherwise: of a primary and its standbys.
func TestAServerThatTakesWritesIsAskedForUnlessTheURLSaysOtherwise(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"postgres://h1,h2/d":                          "target_session_attrs='read-write'",
		"postgres://h1,h2/d?target_session_attrs=any": "target_session_attrs='any'",
	} {
		pg, err := storeurl.ParsePostgres(text)
		if got := pg.KeywordValues().Reveal(); err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
}

// TestMoreIdleConnectionsThanFourAreTaken where the most are not given: pgx allows as many
// as the machine has processors.
func TestMoreIdleConnectionsThanFourAreTaken(t *testing.T) {
	t.Parallel()
	for _, parameter := range []string{"pool_min_conns=8", "pool_min_idle_conns=8"} {
		if err := parsePostgres("postgres://h?" + parameter); err != nil {
			t.Errorf("%s: %v", parameter, err)
		}
	}
}

func TestThePoolOfAURLIsRead(t *testing.T) {
	t.Parallel()
	pg, err := storeurl.ParsePostgres("postgres://h?pool_max_conns=1000&pool_min_conns=2&pool_min_idle_conns=3&pool_max_conn_lifetime=4h" +
		"&pool_max_conn_lifetime_jitter=5m&pool_max_conn_idle_time=6m&pool_health_check_period=7s&pool_ping_timeout=800ms")
	if err != nil {
		t.Fatal(err)
	}
	want := storeurl.Pool{
		MaxConns: 1000, MinConns: 2, MinIdleConns: 3, MaxConnLifetime: 4 * time.Hour, MaxConnLifetimeJitter: 5 * time.Minute,
		MaxConnIdleTime: 6 * time.Minute, HealthCheckPeriod: 7 * time.Second, PingTimeout: 800 * time.Millisecond,
	}
	if diff := cmp.Diff(pg.Pool, want); diff != "" {
		t.Errorf("pool (-got +want):\n%s", diff)
	}
}

// TestABadURLIsRefusedWithoutItsPassword, which is hunter2 wherever it may have slipped to.
func TestABadURLIsRefusedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, says string }{
		{"", "not a URL"}, {"redis", "not a URL"}, {"hunter2", "not a URL"}, {"http://u:hunter2@h", "its scheme is not redis, rediss,"},
		{"redis+tls://u:hunter2@h", "its scheme"}, {"rediss+unix:///x", "its scheme"}, {"unixs:///x", "its scheme"},
		{"redis://", "names no host"}, {"redis://u:hunter2@", "names no host"}, {"redis://u:hunter2@:6379", "host 1 is neither"},
		{"redis://u:hunter2@h:port", "port of host 1"}, {"redis://u:hunter2@h:0", "port of host 1"}, {"redis://u:hunter2@h:65536", "port of host 1"},
		{"redis://u:hunter2%zz@h", "not a well-formed URL"}, {"redis://u:hunter2%00@h", "not a well-formed URL"},
		{"redis://u:hunter2/x@h", "an @ where"}, {"redis://u:hunter2?x@h", "an @ where"}, {"redis://u:hunter2#x@h", "an @ where"},
		{"redis://u:hunter2@x@h", "an @ where"}, {"redis://h#hunter2", "a # where"}, {"redis://u:hun ter2@h", "a space"}, {"redis://u:hunter2@h\x00", "a control character"},
		{"redis://hunter2@h", "no password after the user"}, {"redis://u:@h", "no password after the user"},
		{"redis://u:hunter2@h1,h2", "takes one host"}, {"redis://u:hunter2@h/x", "not the number of a database"},
		{"redis://h/-1", "not the number"}, {"redis://h/65536", "not the number"}, {"redis://h?db=x", "the value of db (parameter 1 after the ?) is not a number from 0 to 65535"},
		{"redis://u:hunter2@h/0?db=1", "gives db twice"}, {"redis://h?db=1&db=2", "gives db twice"},
		{"redis://h?foo=1", "parameter 1 after the ? is not known"}, {"redis://h?db=1&hunter2=1", "parameter 2 after the ? is not known"},
		{"redis+sentinel://h/m?db=1&sentinel_password=hun+ter2", "parameter 2 after the ? has a +"}, {"postgres://h?options=-c+work_mem%3D8MB", "parameter 1 after the ? has a +"},
		{"redis://h?hunter2", "parameter 1 after the ? is not well-formed"}, {"redis://h?db=%zzhunter2", "parameter 1 after the ? is not well-formed"},
		{"redis+sentinel://u:hunter2@h", "does not name the master"}, {"redis+sentinel://u:hunter2@h/a/b", "does not name the master"},
		{"rediss+sentinel://h/m?sentinel_user=hunter2", "parameter 1 after the ? is not known"},
		{"redis+cluster://u:hunter2@h/1", "no databases"}, {"redis+cluster://h?db=0", "is not known"}, {"redis+cluster://h1,,h2", "host 2 is neither"},
		{"redis+cluster://::1", "host 1 is neither"}, {"redis+cluster://[h]", "host 1 is neither"}, {"redis+cluster://[::1", "host 1 is neither"},
		{"redis+cluster://" + strings.Repeat("h,", 64) + "h", "more than 64 hosts"},
		{"unix://u:hunter2@h/x", "does not name a socket"}, {"unix://u:hunter2@", "does not name a socket"}, {"unix:///", "does not name a socket"},
		{"unix:///%zzhunter2", "not a well-formed URL"},

		{"postgres://u:hunter2@/d", "names no host"}, {"postgres://u:hunter2@h/%zz", "not a well-formed URL"}, {"host=h password=hunter2", "not a URL"},
		{"postgres://u:hunter2@h?host=h2", "gives host twice"}, {"postgres://u:hunter2@h:1?port=2", "gives port twice"},
		{"postgres://u:hunter2@h?user=v", "gives user twice"}, {"postgres://u:hunter2@h?password=x", "gives password twice"}, {"postgres://h/d?dbname=e", "gives dbname twice"},
		{"postgres://h1,h2?port=1,2,3", "gives 3 ports for 2 hosts"}, {"postgres:///d?host=h:hunter2", "the value of host"}, {"postgres://h?port=hunter2", "the value of port"},
		{"postgres://h?ssl_mode=hunter2", "parameter 1 after the ? is not known"}, {"postgres://h?sslmode=hunter2", "the value of sslmode"},
		{"postgres://h?sslcert=hunter2", "one of sslcert and sslkey"}, {"postgres://h?sslcert=", "the value of sslcert"},
		{"postgres://h?default_query_exec_mode=simple_protocol", "the value of default_query_exec_mode"},
		{"postgres://h?default_query_exec_mode=exec", "the value of default_query_exec_mode"},
		{"postgres://h?statement_cache_capacity=0", "needs a cache"}, {"postgres://h?default_query_exec_mode=cache_describe&description_cache_capacity=00", "needs a cache"},
		{"postgres://h?min_protocol_version=3.2&max_protocol_version=3.0", "max_protocol_version is less"},
		{"postgres://h?connect_timeout=3601", "a number from 0 to 3600"}, {"postgres://h?connect_timeout=-1", "the value of connect_timeout"},
		{"postgres://h?statement_timeout=hunter2", "the value of statement_timeout"}, {"postgres://h?lock_timeout=s", "the value of lock_timeout"},
		{"postgres://h?pool_max_conns=0", "a number from 1 to 1000"}, {"postgres://h?pool_max_conns=1001", "a number from 1 to 1000"},
		{"postgres://h?pool_max_conns=4294967297", "a number from 1 to 1000"},
		{"postgres://h?pool_max_conns=none", "the value of pool_max_conns"}, {"postgres://h?pool_min_conns=-1", "a number from 0 to 1000"},
		{"postgres://h?pool_max_conns=2&pool_min_conns=3", "is more than pool_max_conns (2)"}, {"postgres://h?pool_min_idle_conns=5&pool_max_conns=4", "is more than pool_max_conns (4)"},
		{"postgres://h?pool_health_check_period=0", "a duration from 1s to 1h"}, {"postgres://h?pool_ping_timeout=61s", "the value of pool_ping_timeout"},
		{"postgres://h?pool_max_conn_lifetime=5", "the value of pool_max_conn_lifetime"}, {"postgres://h?pool_max_conn_idle_time=999ms", "the value of pool_max_conn_idle_time"},
	} {
		parse := parseRedis
		if strings.HasPrefix(c.text, "postgres") || strings.HasPrefix(c.text, "host=") {
			parse = parsePostgres
		}
		err := parse(c.text)
		d, ok := errors.AsType[*storeurl.Defect](err)
		if !ok || !strings.Contains(d.What, c.says) || d.Mend == "" {
			t.Errorf("%q: got %v, want a Defect that says %q", c.text, err, c.says)
			continue
		}
		if strings.Contains(err.Error(), "hun") || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%q: the error repeats the password: %v", c.text, err)
		}
	}
}

func parseRedis(text string) error    { _, err := storeurl.ParseRedis(text); return err }
func parsePostgres(text string) error { _, err := storeurl.ParsePostgres(text); return err }

func TestAParsedURLPrintsNoPassword(t *testing.T) {
	t.Parallel()
	pg, err := storeurl.ParsePostgres("postgres://u:hunter2@h?sslpassword=hunter2")
	if err != nil {
		t.Fatal(err)
	}
	r, err := storeurl.ParseRedis("redis+sentinel://u:hunter2@h/m?sentinel_password=hunter2")
	if err != nil {
		t.Fatal(err)
	}
	if printed := fmt.Sprintf("%v %+v %#v %v %+v %#v %v", pg, pg, pg, r, r, r, pg.KeywordValues()); strings.Contains(printed, "hunter2") {
		t.Errorf("the password is printed: %s", printed)
	}
}

func TestMaskedHidesWhatMayBeASecret(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"postgres://u@h1:1,[::1],h2/d?sslmode=disable&connect_timeout=3": "postgres://u@h1:1,[::1],h2/d?connect_timeout=3&sslmode=disable",
		"postgres://u:hunter2@[::1]:2/d?sslpassword=hunter2":             "postgres://u:***@[::1]:2/d?sslpassword=***",
		"postgres:///d?options=hunter2&passwd=hunter2":                   "postgres:///d?options=***&***=***",
		"postgres://h?application_name=my%20app%2B":                      "postgres://h?application_name=my%20app%2B",
		"postgres://h?hunter2=1":                                         "postgres://h?***=***",
		"redis://hunter2@h":                                              "redis://***@h",
		"rediss+sentinel://:hunter2@h/m?db=1&sentinel_password=hunter2":  "rediss+sentinel://:***@h/m?db=1&sentinel_password=***",
		"unix://u:hunter2@/run/redis":                                    "unix://u:***@/run/redis",
		"redis://u:hunter2@x@h":                                          "***",
		"hunter2":                                                        "***",
	} {
		if got := storeurl.Masked(text); got != want {
			t.Errorf("%s is shown as %s, want %s", text, got, want)
		}
	}
}
