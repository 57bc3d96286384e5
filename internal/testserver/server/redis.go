package server

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// StartRedis starts an empty Redis (or Valkey) that writes nothing to disk. More arguments, such as
// "--appendonly", "yes", come last and win.
func StartRedis(folder *Folder, args ...string) (*Server, error) {
	s, err := newRedis(folder, args)
	if err != nil {
		return nil, err
	}
	return s, s.start()
}

// StartRedisWithClock is StartRedis with a clock of the server's own, see SetClock. Its memory is
// not purged in the background, which would spin while the clock is behind.
func StartRedisWithClock(folder *Folder, args ...string) (*Server, error) {
	s, err := newRedis(folder, append([]string{"--jemalloc-bg-thread", "no"}, args...))
	if err != nil {
		return nil, err
	}
	if err := s.withClock(); err != nil {
		return nil, err
	}
	return s, s.start()
}

// newRedis makes a Redis that does not run yet.
func newRedis(folder *Folder, args []string) (*Server, error) {
	path, err := redisPath()
	if err != nil {
		return nil, err
	}
	dir, err := folder.room("redis", nil)
	if err != nil {
		return nil, err
	}
	return &Server{folder: folder, dir: dir, kind: kind{
		name:  "Redis",
		ready: "Ready to accept connections",
		url:   "redis://127.0.0.1:%d/0",
		path:  path,
		args: func(dir string, port int) []string {
			return append([]string{
				"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", dir, "--daemonize", "no",
				"--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction",
			}, args...)
		},
		tidy: func(string) error { return nil },
	}}, nil
}

// StartSentinel starts a Redis Sentinel, which writes what it learns into its configuration file. Each
// line is one of that file; they come last and win.
func StartSentinel(folder *Folder, lines ...string) (*Server, error) {
	path, err := redisPath()
	if err != nil {
		return nil, err
	}
	dir, err := folder.room("sentinel", nil)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "sentinel.conf")
	lines = append([]string{"bind 127.0.0.1"}, lines...)
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("configure Sentinel: %w", err)
	}
	s := &Server{folder: folder, dir: dir, kind: kind{
		name:  "Sentinel",
		ready: "Sentinel ID is",
		url:   "redis://127.0.0.1:%d",
		path:  path,
		args: func(dir string, port int) []string {
			return []string{file, "--sentinel", "--port", strconv.Itoa(port), "--dir", dir, "--daemonize", "no"}
		},
		tidy: func(string) error { return nil },
	}}
	return s, s.start()
}

func redisPath() (string, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNoRedis
}
