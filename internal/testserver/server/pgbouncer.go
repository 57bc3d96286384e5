package server

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ErrNoPgBouncer says how to mend a machine without the pooler.
var ErrNoPgBouncer = errors.New("no PgBouncer found: run `make test` as root on Debian to install it, or put `pgbouncer` on PATH")

// StartPgBouncer starts a PgBouncer in transaction mode before a Postgres, which is named like "host=… port=… user=…". It knows no statement that a client prepared, whatever its version.
func StartPgBouncer(folder *Folder, target string) (*Server, error) {
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		if path = "/usr/sbin/pgbouncer"; !isFile(path) {
			return nil, ErrNoPgBouncer
		}
	}
	owner, err := postgresOwner() // it refuses root, too
	if err != nil {
		return nil, err
	}
	dir, err := folder.room("pgbouncer", owner)
	if err != nil {
		return nil, err
	}
	s := &Server{folder: folder, dir: dir, owner: owner, kind: kind{
		name:  "PgBouncer",
		ready: "process up",
		url:   "postgres://mintmark@127.0.0.1:%d/postgres?sslmode=disable",
		path:  path,
		args: func(dir string, own int) []string {
			settings := filepath.Join(dir, "pgbouncer.ini")
			// If this fails, PgBouncer says that there is no such file.
			_ = os.WriteFile(settings, fmt.Appendf(nil, pgbouncerSettings, target, own), 0o644)
			return []string{settings}
		},
		tidy: func(string) error { return nil },
	}}
	return s, s.start()
}

const pgbouncerSettings = `[databases]
* = %s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 1000
default_pool_size = 8
`
