// Package archtest contains, as data, the rules about which package may import which. Its tests check the code against
// the rules, so that imports only point downwards and a newcomer can trust the folder listing.
package archtest

import (
	"slices"
	"strings"
)

// Room is a package, or a family of packages, and what it may import.
type Room struct {
	// Path is the package below the module; a trailing /* means its children.
	Path string
	// Ours lists the packages of ours that it may import; nil means none. A
	// trailing /* means the children of that path.
	Ours []string
	// Never lists prefixes of other packages that it must not import.
	Never []string
	// Only, when set, lists prefixes of the only other packages allowed besides
	// the standard library.
	Only []string
}

const (
	gin      = "github.com/gin-gonic/gin"
	pgx      = "github.com/jackc/pgx"
	goRedis  = "github.com/redis/go-redis"
	jwx      = "github.com/lestrrat-go/jwx"
	sqlPkg   = "database/sql"
	sqliteGo = "modernc.org/sqlite"
)

// Rooms is the house, from the door down.
func Rooms() []Room {
	stores := []string{gin, jwx, "net/http"}
	pure := []string{gin, pgx, goRedis, jwx, sqlPkg, sqliteGo, "net/http"}
	nouns := []string{"internal/audit", "internal/clock", "internal/secret", "internal/ratelimit"}
	kept := []string{"internal/audit", "internal/client", "internal/clock", "internal/grant", "internal/keyring", "internal/revocation", "internal/session", "internal/user", "internal/ratelimit", "internal/secret"}
	return []Room{
		{Path: "cmd/mintmark", Ours: []string{"internal/cli", "internal/private"}, Never: []string{gin, pgx, goRedis, jwx, sqlPkg}},
		{Path: "cmd/weather", Ours: []string{"internal/weather", "pkg/verifier"}, Only: []string{"none"}},
		{Path: "internal/weather", Ours: []string{"pkg/verifier"}, Only: []string{"none"}},
		{Path: "internal/cli", Never: []string{gin, pgx, goRedis, jwx, sqlPkg}, Ours: []string{
			"api", "db", "internal/app", "internal/audit", "internal/authority", "internal/backup", "internal/client", "internal/config", "internal/duration", "internal/keyring", "internal/operator",
			"internal/secret", "internal/session", "internal/telemetry", "internal/text", "internal/torture", "internal/user", "internal/version", "internal/weather", "pkg/verifier"}},
		{Path: "internal/operator", Never: pure, Ours: append([]string{"internal/authority"}, kept...)},
		{Path: "internal/torture", Only: []string{"none"}},
		{Path: "internal/app", Never: []string{gin, jwx}, Ours: append([]string{
			"db", "internal/authority", "internal/backup", "internal/config", "internal/dial", "internal/httpapi", "internal/oauth", "internal/operator", "internal/private", "internal/store/*", "internal/telemetry", "internal/version"}, kept...)},
		{Path: "internal/config", Ours: []string{"internal/duration", "internal/private", "internal/secret", "internal/storeurl", "internal/text"}, Never: pure},
		{Path: "internal/config/configdoc", Ours: []string{"internal/config"}, Never: pure},
		{Path: "internal/httpapi", Never: []string{pgx, goRedis, jwx, sqlPkg, sqliteGo}, Ours: []string{
			"api", "internal/authority", "internal/client", "internal/etag", "internal/forwarded", "internal/httpapi/guard", "internal/keyring", "internal/oauth", "internal/ratelimit", "internal/revocation", "internal/secret", "internal/subscriber", "internal/text", "internal/user"}},
		{Path: "internal/httpapi/guard", Never: []string{pgx, goRedis, jwx, sqlPkg, sqliteGo}},
		{Path: "internal/authority", Never: pure, Ours: append([]string{"internal/oauth", "internal/subscriber", "internal/token"}, kept...)},
		{Path: "internal/oauth", Ours: []string{"internal/text"}, Only: []string{"none"}},
		{Path: "internal/user", Ours: append([]string{"internal/subscriber", "internal/text"}, nouns...), Never: pure},
		{Path: "internal/client", Ours: nouns, Never: pure},
		{Path: "internal/session", Ours: nouns, Never: pure},
		{Path: "internal/grant", Ours: nouns, Never: pure},
		{Path: "internal/keyring", Ours: append([]string{"internal/etag", "internal/token"}, nouns...), Never: []string{gin, pgx, goRedis, sqlPkg, sqliteGo, "net/http"}},
		{Path: "internal/revocation", Ours: []string{"internal/clock", "internal/etag", "internal/oauth", "internal/secret", "internal/session", "internal/token"}, Never: pure},
		{Path: "internal/token", Never: []string{gin, pgx, goRedis, sqlPkg, sqliteGo, "net/http"}},
		{Path: "internal/ratelimit", Ours: []string{"internal/subscriber"}, Never: pure},
		{Path: "internal/audit", Ours: []string{"internal/text"}, Never: pure},
		{Path: "internal/telemetry", Ours: []string{"internal/text"}, Never: []string{gin, jwx, sqlPkg}},
		{Path: "internal/secret", Only: []string{"none"}},
		{Path: "internal/text", Only: []string{"none"}},
		{Path: "internal/duration", Only: []string{"none"}},
		{Path: "internal/etag", Only: []string{"none"}},
		{Path: "internal/clock", Only: []string{"none"}},
		{Path: "internal/subscriber", Only: []string{"none"}},
		{Path: "internal/forwarded", Only: []string{"none"}},
		{Path: "internal/dial", Never: pure},
		{Path: "internal/storeurl", Ours: []string{"internal/duration", "internal/secret"}, Only: []string{"none"}},
		{Path: "internal/backup", Only: []string{"none"}},
		{Path: "internal/private", Only: []string{"golang.org/x/sys"}},
		{Path: "internal/version", Only: []string{"none"}},
		{Path: "internal/store/sqlite", Ours: append([]string{"internal/private"}, kept...), Never: append([]string{pgx, goRedis}, stores...)},
		{Path: "internal/store/postgres", Ours: append([]string{"internal/dial", "internal/storeurl", "internal/text"}, kept...), Never: append([]string{sqliteGo, goRedis}, stores...)},
		{Path: "internal/store/memory", Ours: kept, Never: append([]string{sqliteGo, goRedis, pgx, sqlPkg}, stores...)},
		{Path: "internal/store/redis", Ours: append([]string{"internal/dial", "internal/storeurl"}, kept...), Never: append([]string{sqliteGo, pgx, sqlPkg}, stores...)},
		{Path: "internal/store/storetest", Ours: kept, Never: append([]string{sqliteGo, pgx, goRedis, sqlPkg}, stores...)},
		{Path: "pkg/verifier", Only: []string{jwx}},
		{Path: "pkg/verifier/verifiergin", Ours: []string{"pkg/verifier"}, Only: []string{gin}},
		{Path: "pkg/verifier/verifiergrpc", Ours: []string{"pkg/verifier"}, Only: []string{"google.golang.org"}},
		{Path: "pkg/verifier/verifiertest", Ours: []string{"pkg/verifier"}, Only: []string{"none"}},
		{Path: "pkg/tokensource", Only: []string{"golang.org/x/oauth2"}},
		{Path: "db", Ours: []string{"internal/private", "internal/storeurl"}, Never: []string{gin, goRedis, jwx, "net/http"}},
		{Path: "api", Only: []string{"none"}},
		{Path: "api/*", Never: []string{"none"}},
		{Path: "internal/archtest", Only: []string{"none"}},
		{Path: "internal/mutate", Only: []string{"none"}},
		{Path: "internal/e2e", Ours: []string{"internal/*"}},
		{Path: "internal/storm", Ours: []string{"internal/*", "pkg/verifier"}},
		{Path: "internal/testserver", Ours: []string{"internal/testserver/*"}, Never: []string{gin, jwx}},
		{Path: "internal/testserver/*", Ours: []string{"internal/testserver", "internal/testserver/*"}, Never: []string{gin, jwx}},
	}
}

// RoomOf finds the room of a package; the exact path wins over its family.
func RoomOf(path string) (Room, bool) {
	rooms := Rooms()
	if i := slices.IndexFunc(rooms, func(r Room) bool { return r.Path == path }); i >= 0 {
		return rooms[i], true
	}
	for _, r := range rooms {
		if family, ok := strings.CutSuffix(r.Path, "*"); ok && strings.HasPrefix(path, family) {
			return r, true
		}
	}
	return Room{}, false
}

// Forbids says why the room may not import a package, or "" when it may. ours
// reports whether it is a package of this module.
func (r Room) Forbids(path string, ours bool) string {
	if ours {
		if slices.ContainsFunc(r.Ours, func(allowed string) bool { return matches(allowed, path) }) {
			return ""
		}
		return "the rules of this room don't name it"
	}
	if slices.ContainsFunc(r.Never, func(prefix string) bool { return within(path, prefix) }) {
		return "this room never imports it"
	}
	if len(r.Only) > 0 && !isStandard(path) && !slices.ContainsFunc(r.Only, func(prefix string) bool { return within(path, prefix) }) {
		return "this room imports little besides the standard library"
	}
	return ""
}

func matches(pattern, path string) bool {
	if family, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(path, family)
	}
	return pattern == path
}

func within(path, prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }

// isStandard: import paths of the standard library have no dot in their first element.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}
