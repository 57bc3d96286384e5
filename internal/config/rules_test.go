package config_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/config"
)

func TestMalformedValuesAreRefused(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, setting, says string }{
		{"issuer is a URL", "ISSUER=auth.example.com", "not an absolute URL"},
		{"issuer has a scheme of the web", "ISSUER=ftp://auth.example.com", "neither the scheme"},
		{"issuer has no path", "ISSUER=https://auth.example.com/a", "has a path"},
		{"issuer has no trailing slash", "ISSUER=https://auth.example.com/", "ends in a slash"},
		{"issuer has no query", "ISSUER=https://auth.example.com?a=b", "has a query"},
		{"issuer has no empty query", "ISSUER=https://auth.example.com?", "has a query"},
		{"issuer has no fragment", "ISSUER=https://auth.example.com#a", "has a fragment"},
		{"issuer has no empty fragment", "ISSUER=https://auth.example.com#", "has a fragment"},
		{"issuer has no user", "ISSUER=https://me:pw@auth.example.com", "contains a user or password"},
		{"issuer host is lower-case", "ISSUER=https://Auth.example.com", "capital letters"},
		{"issuer scheme is lower-case", "ISSUER=HTTPS://auth.example.com", "capital letters"},
		{"issuer host is ASCII", "ISSUER=https://müller.example", "no host name"},
		{"issuer has a host", "ISSUER=https://:8080", "no host name"},
		{"issuer port is a number", "ISSUER=https://a.example:0", "no port from 1"},
		{"issuer port is written", "ISSUER=https://a.example:", "not just a scheme"},
		{"issuer is https", "ISSUER=http://auth.example.com", "in the clear"},
		{"audience has no spaces", "AUDIENCE=a b", "cannot be an audience"},
		{"audience is ASCII", "AUDIENCE=ü", "cannot be an audience"},
		{"address has a port", "HTTP_ADDR=127.0.0.1", "not an address"},
		{"address has a numeric port", "HTTP_ADDR=127.0.0.1:http", "no port from 0"},
		{"address has a possible port", "OPS_ADDR=127.0.0.1:65536", "no port from 0"},
		{"address has a host name", "HTTP_ADDR=a b:80", "does not begin with"},
		{"http leaves loopback knowingly", "HTTP_ADDR=0.0.0.0:8080", "reachable from outside"},
		{"no host means every interface", "HTTP_ADDR=:8080", "reachable from outside"},
		{"names of a listener have no port", "OPS_HOSTS=mintmark:9090", "not a host name"},
		{"names of a listener are none of many", "OPS_HOSTS=*.example.com", "not a host name"},
		{"listeners have their own ports", "OPS_ADDR=0.0.0.0:8080", "same port"},
		{"database is Postgres", "DATABASE_URL=mysql://h/d", "its scheme is not postgres"},
		{"database has a host", "DATABASE_URL=postgres:///d", "names no host"},
		{"database is a URL", "DATABASE_URL=host=h dbname=d", "not a URL"},
		{"a slash in a password is told as such", "DATABASE_URL=postgres://u:1234/x@h/d", "an @ where none can stand"},
		{"an @ in a password is told as such", "DATABASE_URL=postgres://u:12@34@h/d", "an @ where none can stand"},
		{"Redis has a known scheme", "REDIS_URL=memcached://h", "its scheme is not redis"},
		{"Redis alone is one host", "REDIS_URL=redis://h1,h2", "takes one host"},
		{"Redis database is a number", "REDIS_URL=redis://h/a", "not the number of a database"},
		{"Sentinel needs a master", "REDIS_URL=redis+sentinel://h1,h2", "does not name the master"},
		{"a cluster has one database", "REDIS_URL=redis+cluster://h1,h2/1", "has no databases"},
		{"hosts have possible ports", "REDIS_URL=redis+cluster://h1:0", "port of host 1"},
		{"hosts are no holes", "REDIS_URL=redis+cluster://h1,", "host 2 is neither"},
		{"root secret is well-formed", "ROOT_SECRET=abc", "has no id"},
		{"connections idle for 1s", "HTTP_IDLE_TIMEOUT=0s", "less than 1s"},
		{"connections idle no longer than 1h", "HTTP_IDLE_TIMEOUT=3601s", "more than 1h"},
		{"the delay is none at least", "SHUTDOWN_DELAY=-1s", "less than 0s"},
		{"the delay is 10m at most", "SHUTDOWN_DELAY=601s", "more than 10m"},
		{"the wait for stores is none at least", "STARTUP_WAIT=-1s", "less than 0s"},
		{"the wait for stores is 1h at most", "STARTUP_WAIT=3601s", "more than 1h"},
		{"access token lives 1s", "ACCESS_TOKEN_TTL=0s", "less than 1s"},
		{"access token lives no longer than 1h", "ACCESS_TOKEN_TTL=3601s", "more than 1h"},
		{"durations have a unit", "ACCESS_TOKEN_TTL=300", "not a duration"},
		{"durations are whole seconds", "ACCESS_TOKEN_TTL=1500ms", "whole number of seconds"},
		{"grace is at most a minute", "REFRESH_GRACE=61s", "more than 1m"},
		{"grace is not negative", "REFRESH_GRACE=-1s", "less than 0s"},
		{"idle is at least a second", "REFRESH_IDLE_TTL=0s", "less than 1s"},
		{"max is at most ten years", "REFRESH_MAX_TTL=87601h", "more than 87600h"},
		{"a key signs as long as two are published", "KEYS_ROTATE_EVERY=95h", "less than twice"},
		{"a key is published before it signs", "KEYS_PUBLISH_AHEAD=4m", "less than MINTMARK_ACCESS_TOKEN_TTL"},
		{"a key is retained while tokens live", "KEYS_RETAIN=10m59s", "outlive their key"},
		{"argon2 takes 8 MiB", "PASSWORD_MEMORY_KIB=8191", "less than 8192"},
		{"argon2 takes at most 512 MiB", "PASSWORD_MEMORY_KIB=524289", "more than 524288"},
		{"argon2 makes a pass", "PASSWORD_TIME=0", "less than 1"},
		{"argon2 makes 16 passes at most", "PASSWORD_TIME=17", "more than 16"},
		{"a hash at a time", "PASSWORD_MAX_CONCURRENT=0", "less than 1"},
		{"numbers are whole", "PASSWORD_TIME=2.5", "not a whole number"},
		{"numbers are canonical", "PASSWORD_TIME=+2", "not a whole number"},
		{"passwords have 8 characters", "PASSWORD_MIN_LENGTH=7", "less than 8"},
		{"passwords need no more than 64", "PASSWORD_MIN_LENGTH=65", "more than 64"},
		{"registration is open or closed", "REGISTRATION=yes", "not known"},
		{"a rate has a unit", "RATE_TOKEN=50", "no known unit of time"},
		{"a rate has a known unit", "RATE_TOKEN=50/d", "no known unit of time"},
		{"a rate is positive", "RATE_REGISTER=0/m", "not a rate"},
		{"a rate is whole", "RATE_REGISTER=1.5/m", "not a rate"},
		{"one rate for the token endpoint", "RATE_TOKEN=1/s,2/s", "no known unit of time"},
		{"login has at most two rates", "RATE_LOGIN=1/s,2/s,3/s", "not one rate or two"},
		{"the second rate is read", "RATE_LOGIN=1/s,x", "not a rate"},
		{"proxies are addresses", "TRUSTED_PROXIES=lb.internal", "neither an IP address nor a network"},
		{"proxies are not everybody", "TRUSTED_PROXIES=0.0.0.0/0", "trusts every address"},
		{"proxies are not every IPv6", "TRUSTED_PROXIES=::/0", "trusts every address"},
		{"proxies are not everybody in halves", "TRUSTED_PROXIES=0.0.0.0/1,128.0.0.0/1", "trust most addresses"},
		{"proxies are not every IPv6 in halves", "TRUSTED_PROXIES=8000::/1,10.0.0.0/8,::/1", "trust most addresses"},
		{"proxies are not all who are public", "TRUSTED_PROXIES=2000::/3", "trust most addresses"},
		{"proxies are not all who are public, in parts", "TRUSTED_PROXIES=2000::/4,3000::/5,3800::/6", "trust most addresses"},
		{"proxies are not everybody but a few", "TRUSTED_PROXIES=0.0.0.0/1,128.0.0.0/2,192.0.0.0/3", "trust most addresses"},
		{"proxies are not everybody in nested networks", "TRUSTED_PROXIES=10.0.0.0/8,0.0.0.0/2,64.0.0.0/2,0.0.0.0/1,128.0.0.0/4,128.0.0.0/3", "trust most addresses"},
		{"proxies are not everybody in small networks", "TRUSTED_PROXIES=" + numbered(99, "%d.0.0.0/8") + ",128.0.0.0/3", "trust most addresses"},
		{"networks are exact", "TRUSTED_PROXIES=10.1.0.0/8", "write 10.0.0.0/8"},
		{"origins have no wildcard", "CORS_ORIGINS=*", "pages of other sites"},
		{"origins have no partial wildcard", "CORS_ORIGINS=https://*.example.com", "pages of other sites"},
		{"origins are not null", "CORS_ORIGINS=null", "pages of other sites"},
		{"origins have no path", "CORS_ORIGINS=https://a.example/", "ends in a slash"},
		{"origins have no default port", "CORS_ORIGINS=https://a.example:443", "default port"},
		{"origins have no default port of http", "CORS_ORIGINS=http://a.example:80", "default port"},
		{"origins are 100 at most", "CORS_ORIGINS=" + numbered(101, "https://h%d.example"), "101 origins are more than 100"},
		{"proxies are 100 at most", "TRUSTED_PROXIES=" + numbered(101, "10.0.0.%d"), "101 networks are more than 100"},
		{"proxies have no zone", "TRUSTED_PROXIES=fe80::1%eth0", "neither an IP address nor a network"},
		{"networks of IPv4 are written as such", "TRUSTED_PROXIES=::ffff:10.0.0.0/104", "neither an IP address nor a network"},
		{"a rate is at most a million", "RATE_TOKEN=1000001/h", "not a rate of 1 to 1000000"},
		{"a rate is canonical", "RATE_TOKEN=01/h", "not a rate"},
		{"audience has 255 characters at most", "AUDIENCE=" + strings.Repeat("x", 256), "cannot be an audience"},
		{"a long value is repeated in part", "ISSUER=" + strings.Repeat("x", 81), `"` + strings.Repeat("x", 80) + `…"`},
		{"origins differ", "CORS_ORIGINS=https://a.example,https://a.example", "is listed twice"},
		{"plain http is true or false", "INSECURE_PLAIN_HTTP=yes", "neither true nor false"},
		{"levels are known", "LOG_LEVEL=INFO", "not known"},
		{"formats are known", "LOG_FORMAT=xml", "not known"},
		{"values are one line", "DATA_DIR=a\nb", "on one line"},
		{"values are UTF-8", "DATA_DIR=\xff", "not valid UTF-8"},
		{"values are bounded", "DATA_DIR=" + strings.Repeat("x", 64<<10+1), "longer than 65536"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			variable, _, _ := strings.Cut(c.setting, "=")
			for _, p := range (given{env: []string{"MINTMARK_" + c.setting}}).problems(t) {
				if p.Key == "MINTMARK_"+variable {
					if !strings.Contains(p.String(), c.says) || p.Source != "environment" {
						t.Errorf("problem %q does not say %q", p, c.says)
					}
					return
				}
			}
			t.Error("accepted")
		})
	}
}

func TestValuesAtTheirBoundsAreAccepted(t *testing.T) {
	t.Parallel()
	for _, env := range []string{
		"ACCESS_TOKEN_TTL=1s", "ACCESS_TOKEN_TTL=1h", "REFRESH_GRACE=0", "REFRESH_GRACE=60s", "REFRESH_IDLE_TTL=1s",
		"REFRESH_IDLE_TTL=4321h", "REFRESH_MAX_TTL=87600h", "KEYS_ROTATE_EVERY=96h", "KEYS_PUBLISH_AHEAD=5m", "KEYS_RETAIN=11m",
		"PASSWORD_MEMORY_KIB=8192", "PASSWORD_MEMORY_KIB=524288", "PASSWORD_TIME=16", "PASSWORD_MIN_LENGTH=8", "PASSWORD_MIN_LENGTH=64",
		"HTTP_IDLE_TIMEOUT=1s", "HTTP_IDLE_TIMEOUT=1h", "SHUTDOWN_DELAY=0", "SHUTDOWN_DELAY=10m", "STARTUP_WAIT=0", "STARTUP_WAIT=1h",
		"ISSUER=http://127.0.0.1:1", "ISSUER=http://[::1]:65535", "ISSUER=https://a.example:8443", "HTTP_ADDR=[::1]:1", "HTTP_ADDR=localhost:0", "HTTP_ADDR=LocalHost:0", "HTTP_ADDR=127.255.255.254:1", "HTTP_ADDR=[::ffff:127.0.0.1]:1",
		"RATE_LOGIN=off", "RATE_LOGIN=1/s,off", "RATE_TOKEN=1000000/h", "CORS_ORIGINS=http://[::1]:3000",
		"CORS_ORIGINS=" + numbered(100, "https://h%d.example"), "TRUSTED_PROXIES=" + numbered(100, "10.0.0.%d"),
		"TRUSTED_PROXIES=0.0.0.0/1,10.0.0.0/8,10.0.0.0/8", "TRUSTED_PROXIES=8000::/1,2000::/4", "TRUSTED_PROXIES=" + numbered(99, "%d.0.0.0/8") + ",128.0.0.0/4",
		"AUDIENCE=" + strings.Repeat("x", 255), "DATA_DIR=" + strings.Repeat("x", 64<<10),
	} {
		given{env: []string{"MINTMARK_" + env}}.mustLoad(t)
	}
}

// numbered lists entries made from a pattern with a %d.
func numbered(count int, pattern string) string {
	entries := make([]string, count)
	for i := range entries {
		entries[i] = fmt.Sprintf(pattern, i)
	}
	return strings.Join(entries, ",")
}

func TestRulesBetweenKeys(t *testing.T) {
	t.Parallel()
	roots, db, cache := "MINTMARK_ROOT_SECRET="+rootText, "MINTMARK_DATABASE_URL="+database, "MINTMARK_REDIS_URL="+redisURL
	name := "MINTMARK_ISSUER=https://auth.example.com"
	passphrase := base64.StdEncoding.EncodeToString([]byte("correct horse battery staple 123"))
	cases := []struct {
		name string
		env  []string
		want []string
	}{
		{"a database needs Redis", []string{name, roots, db}, []string{"MINTMARK_REDIS_URL (not set): it is missing"}},
		{"Redis needs a database", []string{name, roots, cache}, []string{"MINTMARK_DATABASE_URL (not set): it is missing"}},
		{"production needs a root secret", []string{name, db, cache}, []string{"MINTMARK_ROOT_SECRET (not set): it is missing"}},
		{"production on one machine needs no issuer", []string{roots, db, cache}, nil},
		{"half a production is told of both", []string{name, db}, []string{"MINTMARK_REDIS_URL", "MINTMARK_ROOT_SECRET"}},
		{"a malformed database is a given one", []string{name, roots, "MINTMARK_DATABASE_URL=x"}, []string{"MINTMARK_DATABASE_URL (environment)", "MINTMARK_REDIS_URL"}},
		{"an unreadable database is a given one", []string{name, roots, cache, "MINTMARK_DATABASE_URL_FILE=/nowhere"}, []string{"MINTMARK_DATABASE_URL (MINTMARK_DATABASE_URL_FILE)"}},
		{"an unreadable database needs Redis, too", []string{name, roots, "MINTMARK_DATABASE_URL_FILE=/nowhere"}, []string{"MINTMARK_DATABASE_URL (", "MINTMARK_REDIS_URL (not set)"}},
		{"a malformed root secret is a given one", []string{name, db, cache, "MINTMARK_ROOT_SECRET=x"}, []string{"MINTMARK_ROOT_SECRET (environment)"}},
		{"a root secret of text is refused", []string{"MINTMARK_ROOT_SECRET=1:" + passphrase}, []string{"MINTMARK_ROOT_SECRET (environment): it was not made at random: the one with id 1 is text"}},
		{"a root secret of text is refused behind a random one, too", []string{roots + ",1:" + passphrase}, []string{"mark it as compromised, 1!:"}},
		{"a root secret of text that is marked opens what it sealed", []string{roots + ",1!:" + passphrase}, nil},
		{"migrations go to the database", []string{"MINTMARK_DATABASE_MIGRATE_URL=" + database}, []string{"MINTMARK_DATABASE_URL is missing"}},
		{"migrations beside Redis go to the database, too", []string{name, roots, cache, "MINTMARK_DATABASE_MIGRATE_URL=" + database},
			[]string{"MINTMARK_DATABASE_MIGRATE_URL (environment): it is set, while", "MINTMARK_DATABASE_URL (not set): it is missing"}},
		{"Redis alone needs a root secret, too", []string{name, cache}, []string{"MINTMARK_DATABASE_URL (not set)", "MINTMARK_ROOT_SECRET (not set)"}},
		{"an unreadable Redis needs a database", []string{name, roots, "MINTMARK_REDIS_URL_FILE=/nowhere"}, []string{"MINTMARK_REDIS_URL (", "MINTMARK_DATABASE_URL (not set)"}},
		{"a malformed publish-ahead is told once", []string{"MINTMARK_KEYS_PUBLISH_AHEAD=x", "MINTMARK_KEYS_ROTATE_EVERY=95h"}, []string{"MINTMARK_KEYS_PUBLISH_AHEAD"}},
		{"a malformed access token TTL is told once", []string{"MINTMARK_ACCESS_TOKEN_TTL=x", "MINTMARK_KEYS_PUBLISH_AHEAD=4m", "MINTMARK_KEYS_RETAIN=10m"},
			[]string{"MINTMARK_ACCESS_TOKEN_TTL"}},
		{"a malformed leave for plain http is told once", []string{"MINTMARK_INSECURE_PLAIN_HTTP=x", "MINTMARK_ISSUER=http://mintmark", "MINTMARK_HTTP_ADDR=:8080"},
			[]string{"MINTMARK_INSECURE_PLAIN_HTTP"}},
		{"a malformed address is told once", []string{"MINTMARK_HTTP_ADDR=x", "MINTMARK_OPS_ADDR=127.0.0.1:8080"}, []string{"MINTMARK_HTTP_ADDR"}},
		{"an embedded root secret is fine", []string{roots}, nil},
		{"production is fine", production(), nil},
		{"https behind a proxy is fine", []string{"MINTMARK_HTTP_ADDR=:8080", "MINTMARK_ISSUER=https://a.example"}, nil},
		{"plain http may be insisted on", []string{"MINTMARK_HTTP_ADDR=:8080", "MINTMARK_ISSUER=http://mintmark:8080", "MINTMARK_INSECURE_PLAIN_HTTP=true"}, nil},
		{"plain http away from loopback is told at both keys", []string{"MINTMARK_HTTP_ADDR=:8080", "MINTMARK_ISSUER=http://mintmark:8080"},
			[]string{"MINTMARK_ISSUER", "MINTMARK_HTTP_ADDR"}},
		{"a malformed issuer is told once", []string{"MINTMARK_HTTP_ADDR=:8080", "MINTMARK_ISSUER=mintmark"}, []string{"MINTMARK_ISSUER"}},
		{"two free ports are two ports", []string{"MINTMARK_HTTP_ADDR=127.0.0.1:0", "MINTMARK_OPS_ADDR=127.0.0.1:0"}, nil},
		{"long tokens need their key longer", []string{"MINTMARK_ACCESS_TOKEN_TTL=1h", "MINTMARK_KEYS_RETAIN=1h", "MINTMARK_KEYS_PUBLISH_AHEAD=59m"},
			[]string{"MINTMARK_KEYS_RETAIN", "MINTMARK_KEYS_PUBLISH_AHEAD"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expect(t, given{env: c.env}.problems(t), c.want...)
		})
	}
}

func TestRegistrationIsOpenOnlyWhereStrangersCannotCome(t *testing.T) {
	t.Parallel()
	cases := []struct {
		env  []string
		want config.Registration
	}{
		{nil, config.RegistrationOpen},
		{[]string{"MINTMARK_HTTP_ADDR=:1", "MINTMARK_ISSUER=https://a.example"}, config.RegistrationClosed},
		{production(), config.RegistrationClosed},
		{production("MINTMARK_REGISTRATION=open"), config.RegistrationOpen},
		{[]string{"MINTMARK_REGISTRATION=closed"}, config.RegistrationClosed},
	}
	for _, c := range cases {
		if got := (given{env: c.env}).mustLoad(t).Registration; got != c.want {
			t.Errorf("%v: %s, want %s", c.env, got, c.want)
		}
	}
}

// TestOnlyReplicasWaitForOthers, for balancers and for stores, unless they are told otherwise.
func TestOnlyReplicasWaitForOthers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env         []string
		delay, wait time.Duration
	}{
		{nil, 0, 0},
		{[]string{"MINTMARK_SHUTDOWN_DELAY=7s", "MINTMARK_STARTUP_WAIT=8s"}, 7 * time.Second, 8 * time.Second},
		{production(), 5 * time.Second, time.Minute},
		{production("MINTMARK_SHUTDOWN_DELAY=0s", "MINTMARK_STARTUP_WAIT=0s"), 0, 0},
	} {
		got := given{env: c.env}.mustLoad(t)
		if got.ShutdownDelay != c.delay || got.StartupWait != c.wait {
			t.Errorf("%v: %s and %s, want %s and %s", c.env, got.ShutdownDelay, got.StartupWait, c.delay, c.wait)
		}
	}
}

func TestTheIssuerFollowsAFreePort(t *testing.T) {
	t.Parallel()
	c := given{env: []string{"MINTMARK_HTTP_ADDR=127.0.0.1:0"}}.mustLoad(t).WithListenAddress("127.0.0.1:4711")
	if c.HTTPAddr != "127.0.0.1:4711" || c.Issuer != "http://localhost:4711" || c.Audience != "http://localhost:4711" {
		t.Errorf("address %s, issuer %s, audience %s", c.HTTPAddr, c.Issuer, c.Audience)
	}
	c = given{env: []string{"MINTMARK_HTTP_ADDR=127.0.0.1:0", "MINTMARK_AUDIENCE=api"}}.mustLoad(t).WithListenAddress("127.0.0.1:4711")
	if c.Issuer != "http://localhost:4711" || c.Audience != "api" {
		t.Errorf("a given audience changes: issuer %s, audience %s", c.Issuer, c.Audience)
	}
	c = given{env: []string{"MINTMARK_HTTP_ADDR=127.0.0.1:0", "MINTMARK_ISSUER=https://a.example"}}.mustLoad(t).WithListenAddress("127.0.0.1:4711")
	if c.Issuer != "https://a.example" || c.Audience != "https://a.example" {
		t.Errorf("a given issuer changes: issuer %s, audience %s", c.Issuer, c.Audience)
	}
}

func TestTheRememberedIssuerIsNamedAsTheSource(t *testing.T) {
	t.Parallel()
	loaded := given{}.mustLoad(t)
	for name, c := range map[string]struct {
		config config.Config
		want   config.Row
	}{
		"remembered": {loaded, config.Row{Variable: "MINTMARK_ISSUER", Value: "http://localhost:4711", Source: "data directory"}},
		"given":      {given{env: []string{"MINTMARK_ISSUER=https://a.example"}}.mustLoad(t), config.Row{Variable: "MINTMARK_ISSUER", Value: "https://a.example", Source: "environment"}},
	} {
		kept, err := c.config.WithRememberedIssuer("http://localhost:4711")
		if err != nil {
			t.Fatal(err)
		}
		if got := config.Show(kept.WithListenAddress("127.0.0.1:1"))[0]; got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
	if got := config.Show(loaded)[0].Source; got != "default" {
		t.Errorf("the Config it was made from says %q now", got)
	}
}

func TestTheAudienceFollowsARememberedIssuerUnlessItIsGiven(t *testing.T) {
	t.Parallel()
	for want, g := range map[string]given{"http://localhost:4711": {}, "api": {env: []string{"MINTMARK_AUDIENCE=api"}}} {
		c, err := g.mustLoad(t).WithRememberedIssuer("http://localhost:4711")
		if err != nil || c.Audience != want {
			t.Errorf("audience = %s (%v), want %s", c.Audience, err, want)
		}
	}
}

func TestAProxyMayBeWrittenAsMappedIPv4(t *testing.T) {
	t.Parallel()
	got := given{env: []string{"MINTMARK_TRUSTED_PROXIES=::ffff:10.0.0.1"}}.mustLoad(t).TrustedProxies
	if len(got) != 1 || got[0].String() != "10.0.0.1/32" {
		t.Errorf("proxies = %v, want 10.0.0.1/32, which is how peers are written", got)
	}
}

func TestOneLoginRateLeavesTheOtherAtItsDefault(t *testing.T) {
	t.Parallel()
	got := given{env: []string{"MINTMARK_RATE_LOGIN=3/h"}}.mustLoad(t).RateLogin.String()
	if want := "3/h,60/m"; got != want {
		t.Errorf("rates = %s, want %s", got, want)
	}
}

func TestTheDocumentationIsUpToDate(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != config.Markdown() {
		t.Error("docs/configuration.md is old; run: go generate ./internal/config")
	}
}

func TestOneHashIsBearable(t *testing.T) {
	t.Parallel()
	problems := given{env: []string{"MINTMARK_PASSWORD_MEMORY_KIB=524288", "MINTMARK_PASSWORD_TIME=3"}}.problems(t)
	if len(problems) != 1 || problems[0].Key != "MINTMARK_PASSWORD_TIME" || !strings.Contains(problems[0].What, "too much work") {
		t.Errorf("problems: got %v, want one that says how much work it is", problems)
	}
}
