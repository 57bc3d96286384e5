package storeurl

import (
	"maps"
	"slices"
	"strings"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

// Postgres is what the URL of a Postgres database says.
type Postgres struct {
	User     string
	Password secret.String
	Database string
	Pool     Pool

	hosts       []string // names, addresses, or the folders of sockets
	ports       []string // none, one for all hosts, or one per host, empty where none is written
	settings    map[string]string
	keyPassword secret.String // of sslkey
}

func postgresSchemes() []string { return []string{"postgres", "postgresql"} }

// ParsePostgres reads postgres://[user[:password]@]host[:port],…/database[?name=value&…].
// Hosts may be given as ?host=…&port=… instead; a host that begins with a slash is
// the folder of a socket. The error is a *Defect.
func ParsePostgres(text string) (Postgres, error) {
	p, err := split(text, postgresSchemes())
	if err != nil {
		return Postgres{}, err
	}
	pg := Postgres{settings: make(map[string]string)}
	given, err := pg.takeAuthority(p)
	if err != nil {
		return Postgres{}, err
	}
	err = p.apply(pg.parameters(), "docs/configuration.md lists the known ones; settings of the server go into options, like options=-c%20work_mem%3D8MB", given...)
	if err != nil {
		return Postgres{}, err
	}
	if len(pg.hosts) == 0 {
		return Postgres{}, defectf("write postgres://user@host:5432/database, or ?host=/run/postgresql for a socket", "it names no host")
	}
	if len(pg.ports) > 1 && len(pg.ports) != len(pg.hosts) {
		return Postgres{}, defectf("give one port, or one per host", "it gives %d ports for %d hosts", len(pg.ports), len(pg.hosts))
	}
	return pg, pg.fits()
}

// takeAuthority reads what stands before the question mark, and names it.
func (pg *Postgres) takeAuthority(p pieces) (given []string, err error) {
	name, password, err := p.user()
	if err != nil {
		return nil, err
	}
	database, err := decode(strings.TrimPrefix(p.path, "/"))
	if err != nil {
		return nil, err
	}
	pg.User, pg.Password, pg.Database = name, secret.NewString(password), database
	for _, h := range p.hosts {
		pg.hosts = append(pg.hosts, h.name)
		pg.ports = append(pg.ports, h.port)
	}
	for parameter, text := range map[string]string{"user": name, "password": password, "dbname": database,
		"host": strings.Join(pg.hosts, ""), "port": strings.Join(pg.ports, "")} {
		if text != "" {
			given = append(given, parameter)
		}
	}
	if !slices.Contains(given, "port") {
		pg.ports = nil
	}
	return given, nil
}

// ExecMode is the way to run statements that the URL asks for; empty where it doesn't.
func (pg Postgres) ExecMode() string { return pg.settings["default_query_exec_mode"] }

// KeywordValues gives everything but the pool in the form that pgx.ParseConfig reads,
// `keyword='value' …`. It holds the password. Unless the URL says otherwise, it asks for a server that takes writes:
// of several hosts the primary.
func (pg Postgres) KeywordValues() secret.String {
	values := map[string]string{"target_session_attrs": "read-write"}
	maps.Copy(values, pg.settings)
	values["host"] = strings.Join(pg.hosts, ",")
	for keyword, text := range map[string]string{
		"user": pg.User, "password": pg.Password.Reveal(), "dbname": pg.Database,
		"port": strings.Join(pg.ports, ","), "sslpassword": pg.keyPassword.Reveal(),
	} {
		if text != "" { // else pgx would not look for its default
			values[keyword] = text
		}
	}
	escape := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	var written strings.Builder
	for _, keyword := range slices.Sorted(maps.Keys(values)) {
		written.WriteString(keyword + "='" + escape.Replace(values[keyword]) + "' ")
	}
	return secret.NewString(written.String())
}
