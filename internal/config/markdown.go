package config

import (
	"fmt"
	"strings"

	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

//go:generate go run ./configdoc ../../docs/configuration.md

// Markdown returns docs/configuration.md: the table of keys and the rules between them.
func Markdown() string {
	var page strings.Builder
	page.WriteString(markdownIntro)
	page.WriteString("\n## Keys\n| variable | takes | default | meaning |\n|---|---|---|---|\n")
	for _, k := range keys() {
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", k.name, cell(k.kind), documentedDefault(k), cell(k.help))
	}
	page.WriteString("\n## Bounds\n| variable | least | most |\n|---|---|---|\n")
	for _, b := range bounds() {
		fmt.Fprintf(&page, "| `%s` | %s | %s |\n", b.key, b.least, b.most)
	}
	page.WriteString(markdownRules)
	for _, p := range storeurl.PostgresParameters() {
		fmt.Fprintf(&page, "- `%s`: %s\n", p.Name, p.Takes)
	}
	page.WriteString(markdownRest)
	return page.String()
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func documentedDefault(k key) string {
	switch {
	case k.fallback != "":
		return "`" + k.fallback + "`"
	case k.derived != "":
		return k.derived
	}
	return "none"
}

const markdownIntro = `<!-- Written by go generate ./internal/config; edit internal/config/keys.go and markdown.go. -->
# Configuration

Without any setting, mintmark runs embedded, on loopback, with SQLite and its own root secret in
` + "`./mintmark-data`" + `. Setting ` + "`MINTMARK_DATABASE_URL`, `MINTMARK_REDIS_URL`" + `,
` + "`MINTMARK_ROOT_SECRET` and `MINTMARK_ISSUER`" + ` makes the same binary one of any number of equal
replicas.

` + "`mintmark config check`" + ` reports every problem at once; ` + "`mintmark config show`" + ` prints each
value in effect and where it came from, secrets as ` + "`***`" + `.

## Where values come from
The first of these sources that has a value wins:

| source | spelling |
|---|---|
| flag | ` + "`--access-token-ttl 10m`" + ` |
| environment | ` + "`MINTMARK_ACCESS_TOKEN_TTL=10m`" + ` (an empty value counts as not set) |
| file named in the environment | ` + "`MINTMARK_ACCESS_TOKEN_TTL_FILE=/run/secrets/ttl`" + `; line ends after the value are dropped; setting both is an error |
| YAML file named by ` + "`--config`" + ` | ` + "`access_token_ttl: 10m`" + `; lists may be YAML lists |
| default | below |

An unknown name is an error, which suggests the nearest known key. Only these variables are
ignored: ` + "`MINTMARK_TEST_*`" + `, and those that Kubernetes sets in every pod for the services called ` + "`mintmark`" + ` or
` + "`mintmark-…`, like `MINTMARK_POSTGRES_SERVICE_HOST=10.0.0.1` or `MINTMARK_REDIS_PORT=tcp://10.0.0.1:6379`" + `. A name of
that kind with a value of another kind, like ` + "`MINTMARK_HTTP_PORT=8080`" + `, is an error, too.

Secrets (the root secret, and the three URLs if they contain a password) are not accepted on
the command line, which every user of the machine can read: a flag takes ` + "`@file`, or `-`" + ` for
standard input.

Durations are whole seconds, written like ` + "`90s`, `5m`, `720h`" + ` (30 days). Rates are a number of tries
per ` + "`s`, `m` or `h`, like `10/m`, or `off`" + `. ` + "`MINTMARK_RATE_LOGIN`" + ` takes one rate (per user and
address; the one per address stays 60/m), or both: ` + "`10/m,60/m`" + `. An IPv6 address counts in its /64, its /56 and
its /48, which have one, two and four times the tries; one that holds an IPv4 address (6to4, Teredo, NAT64) counts as that. Besides,
one user name has 100 tries an hour from all addresses that its user did not log in from within 30 days (the last 100 logins
count; of IPv6, the /56), unless the rate per user is ` + "`off`" + `.
`

const markdownRules = `
## Rules between keys
- ` + "`MINTMARK_DATABASE_URL` and `MINTMARK_REDIS_URL`" + ` are set together or not at all; with them
  ` + "`MINTMARK_ROOT_SECRET`" + ` is required. Replicas also need the same ` + "`MINTMARK_ISSUER`" + `, which otherwise follows the port.
  ` + "`MINTMARK_DATABASE_MIGRATE_URL`" + ` needs ` + "`MINTMARK_DATABASE_URL`" + `.
- The issuer is https, or http on loopback. An http issuer elsewhere, or an http issuer with a
  public listener that is not on loopback, needs ` + "`MINTMARK_INSECURE_PLAIN_HTTP=true`" + `.
- The two listeners have different ports (two zeros count as different).
- ` + "`MINTMARK_KEYS_ROTATE_EVERY` ≥ 2 × `MINTMARK_KEYS_PUBLISH_AHEAD`" + `.
- ` + "`MINTMARK_KEYS_PUBLISH_AHEAD` ≥ `MINTMARK_ACCESS_TOKEN_TTL`" + `.
- ` + "`MINTMARK_KEYS_RETAIN` ≥ `MINTMARK_ACCESS_TOKEN_TTL`" + ` + 6m.
- CORS origins are exact: no ` + "`*`, no `null`" + `, no default port. Trusted proxies name
  no ` + "`/0`" + `, and together not more than half of the public addresses of IPv4 or IPv6.

## Behind a proxy
mintmark counts callers by address. It believes a proxy that ` + "`MINTMARK_TRUSTED_PROXIES`" + ` names, and nobody else, whose
request it passes on. It reads ` + "`X-Forwarded-For`" + ` from right to left, and passes over trusted proxies; the first other
address is the caller's. Entries may have a port (` + "`203.0.113.9:51234`" + `, ` + "`[2001:db8::1]:443`" + `) and quotes. If the request
has no ` + "`X-Forwarded-For`" + `, ` + "`Forwarded`" + ` (RFC 7239) counts; if it has both, ` + "`Forwarded`" + ` is ignored. So let your proxy set
one of them, and remove the other from what clients send.

If an entry can't be read, or is ` + "`unknown`" + `, the address of the proxy that has added it counts: what stands further left
may be invented. ` + "`mintmark_forwarded_unreadable`" + ` counts such requests, and the first is a warning in the log. The log
also warns once of an ` + "`X-Forwarded-For`" + ` or ` + "`Forwarded`" + ` from a peer that is no trusted proxy.

A trusted proxy may name the request, too. Its ` + "`X-Request-Id`" + ` (up to 128 letters, digits and ` + "`-_:=+/@`" + `) is the id in the
log, in events, traces and the answer, and ` + "`mintmark explain`" + ` finds it. Its ` + "`traceparent`" + ` puts the request into the
proxy's trace, and the log and events have the id of the trace. From anybody else both are ignored. A proxy that passes
them on lets clients choose them: let it set or remove them, as [nginx.conf](../deploy/nginx.conf) does.

## Connections
A balancer must give up an idle connection before mintmark does, or it may send a request just as mintmark closes. The
default of ` + "`MINTMARK_HTTP_IDLE_TIMEOUT`" + ` is above the fixed 600 s of Google Cloud's load balancers, the 60 s of nginx
and AWS (raise it if you raised theirs), and the 240 s of Azure's. One caller (an IPv4
address or an IPv6 /56) has at most 200 connections, and all have 10,000; each connection of a trusted proxy counts by
itself. Nobody keeps others out by holding connections: beyond a bound, one that is idle, has not sent its whole
request or does not take its answer gives way, of the caller that has most of these, the oldest first. The same happens if requests that are still
coming take more than 1 MiB together. ` + "`mintmark_http_connections_shed`" + ` counts these connections.

On SIGTERM a replica answers ` + "`/readyz`" + ` with 503 and goes on serving for ` + "`MINTMARK_SHUTDOWN_DELAY`" + `; each answer is the
last on its connection. Set the delay above the time in which the balancer takes the replica out: the interval of its
probes times the failures that it needs, or in Kubernetes the seconds in which endpoints spread (5 s do). Then new
connections are refused, idle ones closed, and requests in flight get 10 s to end. Whoever kills the process must wait
for the delay and 20 s more, for example in ` + "`terminationGracePeriodSeconds`" + `.

A balancer without probes, like nginx, sends requests until a connection is refused. It must give up its idle
connections before the delay is over (` + "`keepalive_timeout 4s`" + ` in [nginx.conf](../deploy/nginx.conf)): on one that has been
idle all the while, a request may come just as the replica closes it.

## Waiting for stores
` + "`serve`" + ` waits up to ` + "`MINTMARK_STARTUP_WAIT`" + ` for Postgres and Redis; ` + "`migrate`" + ` waits for Postgres. They wait while
a store refuses connections, can't be reached, has no address yet, is starting, has no free connection, or is a standby.
They log one line when they begin to wait, and exit with 5 when the time is over. They don't wait for what only you can
mend: after a wrong password, a TLS failure, an unknown database or an unmigrated schema they exit at once. ` + "`serve`" + `
opens its listeners only after both stores answer, so give it a Kubernetes startup probe that allows for more than this
time.

## Store URLs
| mode | form |
|---|---|
| Postgres | ` + "`postgres://user:password@host:5432/database?sslmode=verify-full`" + ` |
| Postgres, several servers | ` + "`postgres://user:password@host1,host2:5433/database`" + ` |
| Postgres on a socket | ` + "`postgres://user@/database?host=/run/postgresql`" + ` |
| Redis, one server | ` + "`redis://user:password@host:6379/0`" + ` |
| Redis on a socket | ` + "`unix://user:password@/run/redis.sock?db=0`" + ` |
| Redis Sentinel | ` + "`redis+sentinel://user:password@host1:26379,host2:26379/master?db=0&sentinel_username=…&sentinel_password=…`" + ` |
| Redis Cluster | ` + "`redis+cluster://user:password@host1:6379,host2:6379`" + ` |

User, password, ports and parameters may be left out. For a Redis with a password but no user, write ` + "`:password@`" + `.
` + "`rediss://`, `rediss+sentinel://` and `rediss+cluster://`" + ` use TLS 1.2 or 1.3, also to Sentinels; they trust the
certificate authorities of the system, or those in the file that ` + "`SSL_CERT_FILE`" + ` names.

Of several Postgres servers mintmark uses the first that takes writes, and after a failover the next; unless the URL
says otherwise, ` + "`target_session_attrs` is `read-write`" + `. A connection lives for 30 minutes at most
(` + "`pool_max_conn_lifetime=25m`, `pool_max_conn_lifetime_jitter=5m`" + `), so that an address that moves is followed.

mintmark works through a pooler such as PgBouncer, also in transaction mode. It detects one when it starts, and then
prepares no statements (` + "`cache_describe`); it refuses any other `default_query_exec_mode`" + `. Poolers refuse settings of
the server in the URL, such as ` + "`statement_timeout` and `search_path`" + `; set these for the role. Set
` + "`MINTMARK_DATABASE_MIGRATE_URL`" + ` to the server itself: ` + "`migrate`" + ` refuses to change the schema through a pooler, and
replicas listen there for changed keys and clients. Without it they see such changes at the next poll, within 5 s.

mintmark gives up a read after 2 s, a change after 5 s, and one that touches many rows (disabling a client) after 60 s,
and closes the connection. On Linux it also notices within about 11 s that an idle connection is dead.

Special characters of users, passwords and parameters are percent-encoded: ` + "`@` is `%40`, `/` is `%2F`" + `, a space is ` + "`%20`" + `;
in parameters ` + "`+` is `%2B`" + `. Unknown parameters are refused. The URL of Postgres takes:

`

const markdownRest = `
## The root secret
` + "`1:base64(32 bytes),2:base64…`" + `: up to 16 entries with ids from 1 to 255. The first signs and seals,
all of them verify and open; ` + "`1!:`" + ` marks one that may be compromised. Make one with:

` + "```sh\necho \"1:$(openssl rand -base64 32)\"\n```" + `

A root secret that somebody invented is refused, at every command: one that is text, that repeats a few octets or that
counts. If yours is refused, mark it and restart all replicas at once: ` + "`2:NEW,1!:OLD`" + `.

To replace a good one:

1. Append the new entry on every replica: ` + "`1:OLD,2:NEW`" + `. Restart them one by one.
2. Move it to the front on every replica: ` + "`2:NEW,1:OLD`" + `. Restart them one by one. The new one signs and seals
   from now on; the old one still verifies and opens.
3. Run ` + "`mintmark keys reseal`" + `, which seals with the new one the signing keys that the old one sealed.
4. Drop the old one when ` + "`MINTMARK_REFRESH_IDLE_TTL`" + ` has passed since step 2 and ` + "`mintmark keys list`" + ` shows no
   key that is sealed by it. If you drop it earlier, replicas that restart can't sign, or refuse refresh tokens that are
   still good.

## Who may read and write files
On Unix, mintmark uses no file or folder that somebody else could have changed. A refusal names the path, its owner and mode,
and the command that mends it.

- The data directory belongs to the user who runs mintmark, or to root. Only they may write to it; if a group of that user's
  may, too, serve warns. The folders above it are not looked at.
- The files in it are regular files of the same owners, with one name, and are opened through no link. Nobody else has any
  right to ` + "`" + `root-secret` + "`" + `.
- A file that ` + "`" + `MINTMARK_…_FILE` + "`" + `, ` + "`" + `@file` + "`" + ` or ` + "`" + `--config` + "`" + ` names may be a link. It is refused if somebody else can write to it,
  or can replace it in its folder. If it holds a secret that others can read, ` + "`" + `serve` + "`" + ` and ` + "`" + `config check` + "`" + ` warn.

So run every command as the user who serves, not as root:

` + "```" + `sh
sudo -u mintmark mintmark users list --data-dir /var/lib/mintmark
` + "```" + `

In Kubernetes, ` + "`" + `fsGroup` + "`" + ` gives a volume to root and a group that may write, which is the warning above. By default each mount
also gives that group a right to every file, and ` + "`" + `root-secret` + "`" + ` is then refused. ` + "`" + `OnRootMismatch` + "`" + ` does this for the first mount
only:

` + "```" + `yaml
securityContext:
  runAsUser: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
` + "```" + `

On Windows, ` + "`" + `root-secret` + "`" + ` is refused if others have a right to it, and a named file with a secret is warned of.

## Tracing
The standard ` + "`OTEL_*`" + ` variables configure the OpenTelemetry SDK. Tracing is off unless
` + "`OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`" + ` is set, and stays off with
` + "`OTEL_SDK_DISABLED=true` or `OTEL_TRACES_EXPORTER=none`" + `.
`
