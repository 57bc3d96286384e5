package server

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNoNginx says how to mend a machine without nginx.
var ErrNoNginx = errors.New("no nginx found: run `make test` as root on Debian to install it, or put `nginx` on PATH")

// StartNginx starts an nginx with this configuration, which listens on that port of 127.0.0.1. Its log has the
// notices, too.
func StartNginx(folder *Folder, port int, configuration string) (*Server, error) {
	path, err := nginxPath()
	if err != nil {
		return nil, err
	}
	dir, err := folder.room("nginx", nil)
	if err != nil {
		return nil, err
	}
	// Where it writes by itself is for root alone.
	main, http := "daemon off;\npid pid;\nerror_log stderr notice;\n", "http {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		http += kind + "_temp_path " + kind + ";\n"
	}
	configuration = main + strings.Replace(configuration, "http {\n", http, 1)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(configuration), 0o600); err != nil {
		return nil, fmt.Errorf("configure nginx: %w", err)
	}
	s := &Server{folder: folder, dir: dir, port: port, kind: kind{
		name:  "nginx",
		ready: "start worker processes",
		url:   "http://127.0.0.1:%d",
		path:  path,
		args:  func(dir string, _ int) []string { return []string{"-p", dir, "-c", "nginx.conf", "-e", "stderr"} },
		tidy:  func(string) error { return nil },
	}}
	return s, s.launch()
}

// nginxPath is also where Debian puts it, which is not on every user's PATH.
func nginxPath() (string, error) {
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNoNginx
}
