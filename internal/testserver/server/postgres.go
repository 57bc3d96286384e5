package server

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ErrNoPostgres and ErrNoRedis say how to mend a machine without the servers.
var (
	ErrNoPostgres = errors.New("no Postgres server found: run `make test` as root on Debian to install it, " +
		"or put the folder of `initdb` and `postgres` on PATH, or set MINTMARK_TEST_DATABASE_URL")
	ErrNoRedis = errors.New("no Redis server found: run `make test` as root on Debian to install it, " +
		"or put `redis-server` or `valkey-server` on PATH, or set MINTMARK_TEST_REDIS_URL")
)

// StartPostgres makes a new, empty Postgres and starts it. What keeps data through a power cut is
// off, which makes it fast; SIGKILL loses nothing, as the kernel holds what was committed.
func StartPostgres(folder *Folder) (*Server, error) {
	s, err := newPostgres(folder)
	if err != nil {
		return nil, err
	}
	return s, s.start()
}

// StartPostgresWithClock is StartPostgres with a clock of the server's own, see SetClock.
func StartPostgresWithClock(folder *Folder) (*Server, error) {
	s, err := newPostgres(folder)
	if err != nil {
		return nil, err
	}
	if err := s.withClock(); err != nil {
		return nil, err
	}
	return s, s.start()
}

// newPostgres makes a Postgres that does not run yet.
func newPostgres(folder *Folder) (*Server, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	owner, err := postgresOwner()
	if err != nil {
		return nil, err
	}
	dir, err := folder.room("postgres", owner)
	if err != nil {
		return nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--no-sync", "--auth=trust", "--username=mintmark",
		"--encoding=UTF8", "--locale=C.UTF-8", "--pgdata="+dataDir(dir))
	initdb.Dir, initdb.SysProcAttr = dir, &syscall.SysProcAttr{Credential: owner}
	if said, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make a Postgres in %s: %w; it said: %s", dir, err, tail(said))
	}
	return postgresIn(dir, folder, bin, owner), nil
}

// StartStandby makes a copy of a running Postgres and starts it as its standby, which follows it and takes no writes.
func StartStandby(folder *Folder, primary *Server) (*Server, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	dir, err := folder.room("postgres", primary.owner)
	if err != nil {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(filepath.Join(bin, "postgres")) // a link on PATH may be alone there
	if err != nil {
		return nil, fmt.Errorf("look for pg_basebackup: %w", err)
	}
	copied := exec.Command(filepath.Join(filepath.Dir(real), "pg_basebackup"), "--no-sync", "--checkpoint=fast", "--write-recovery-conf",
		"--dbname="+primary.URL(), "--pgdata="+dataDir(dir))
	copied.Dir, copied.SysProcAttr = dir, &syscall.SysProcAttr{Credential: primary.owner}
	if said, err := copied.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy a Postgres to %s: %w; it said: %s", dir, err, tail(said))
	}
	s := postgresIn(dir, folder, bin, primary.owner)
	return s, s.start()
}

// Demote makes a stopped or killed Postgres a standby of nobody when it starts again: what it has it keeps, and it
// takes no writes.
func (s *Server) Demote() error {
	if err := os.WriteFile(filepath.Join(dataDir(s.dir), "standby.signal"), nil, 0o644); err != nil {
		return fmt.Errorf("demote Postgres: %w", err)
	}
	return nil
}

func postgresIn(dir string, folder *Folder, bin string, owner *syscall.Credential) *Server {
	return &Server{folder: folder, dir: dir, owner: owner, kind: kind{
		name:  "Postgres",
		ready: "database system is ready to accept ", // connections, or a standby's read-only connections
		url:   "postgres://mintmark@127.0.0.1:%d/postgres?sslmode=disable",
		path:  filepath.Join(bin, "postgres"),
		args:  postgresArgs,
		tidy:  removeSharedMemory,
	}}
}

func postgresArgs(dir string, port int) []string {
	args := []string{"-D", dataDir(dir), "-p", strconv.Itoa(port)}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1",
		"unix_socket_directories=",
		"dynamic_shared_memory_type=mmap", // in the folder; a killed server would leave files in /dev/shm
		"fsync=off", "full_page_writes=off",
		"synchronous_commit=on", // else SIGKILL loses the last commits: they wait in shared memory
		"max_connections=400",   // several packages test at once, each with pools of its own
		"shared_buffers=64MB",
	} {
		args = append(args, "-c", setting)
	}
	return args
}

// removeSharedMemory removes the small System V segment by which Postgres knows that it runs once. A
// killed one leaves it, and its number at the end of the seventh line of postmaster.pid.
func removeSharedMemory(dir string) error {
	text, err := os.ReadFile(filepath.Join(dataDir(dir), "postmaster.pid"))
	if errors.Is(err, os.ErrNotExist) {
		return nil // it was stopped, not killed
	}
	if err != nil {
		return fmt.Errorf("read number of shared memory: %w", err)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 7 {
		return nil // killed before it had any
	}
	words := strings.Fields(lines[6])
	if len(words) == 0 {
		return nil
	}
	if said, err := exec.Command("ipcrm", "-m", words[len(words)-1]).CombinedOutput(); err != nil {
		return fmt.Errorf("remove shared memory: %w; it said: %s", err, tail(said))
	}
	return nil
}

func dataDir(dir string) string { return filepath.Join(dir, "data") }

// postgresBin is the folder of a whole Postgres server: on PATH, or where Debian puts it, the newest
// version first.
func postgresBin() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil && isFile(filepath.Join(filepath.Dir(path), "postgres")) {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", fmt.Errorf("look for Postgres: %w", err)
	}
	if len(found) == 0 {
		return "", ErrNoPostgres
	}
	return filepath.Dir(slices.MaxFunc(found, byVersion)), nil
}

func isFile(path string) bool {
	found, err := os.Stat(path)
	return err == nil && found.Mode().IsRegular()
}

func byVersion(a, b string) int { return majorVersion(a) - majorVersion(b) }

func majorVersion(path string) int {
	number, _ := strconv.Atoi(strings.Split(path, "/")[4])
	return number
}

// postgresOwner is the user Postgres runs as when we are root, which it refuses to be; else nil.
func postgresOwner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	found, err := user.Lookup("postgres")
	if err != nil {
		found, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, fmt.Errorf("find a user to run Postgres as, which refuses root: %w", err)
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read uid of %s: %w", found.Username, err)
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read gid of %s: %w", found.Username, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
