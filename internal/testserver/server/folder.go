// Package server runs throwaway servers of Postgres, Redis and nginx for tests: on loopback, as a user
// Postgres accepts, in a folder of their own. It protects one promise: nothing is left behind. A
// small shell watches over the folder; when the process that made it is gone, however it went, the
// shell ends the servers and removes their files. The package needs nothing but the standard
// library, so that the wrapper of a whole test run builds in a moment; it knows no test and no SQL.
package server

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
)

// guard reads "+ pid" and "- pid" until its input ends, which it does when the owner closes the
// pipe or dies. It then ends what still runs and removes the folder. It ignores the signals of a
// terminal: a Ctrl-C must not kill the one who tidies up.
const guard = `
trap '' INT TERM HUP QUIT
alive() { kill -s 0 -- "$1" 2>/dev/null && ! grep -qs '^State:.Z' "/proc/$1/status"; }
pids=' '
while read -r verb pid; do
	case $verb in
	+) pids="$pids$pid " ;;
	-) pids="${pids%% $pid *} ${pids#* $pid }" ;;
	esac
done
for pid in $pids; do kill -s INT -- "$pid" 2>/dev/null; done
for pid in $pids; do
	tries=0
	while alive "$pid"; do
		tries=$((tries + 1))
		if [ "$tries" -ge 50 ]; then kill -s KILL -- "$pid" 2>/dev/null; break; fi
		sleep 0.1
	done
done
rm -rf -- "$1"
`

// Folder holds the files of servers and knows which of them run.
type Folder struct {
	path  string
	guard *exec.Cmd
	tell  io.WriteCloser // the guard's input; its end tells the guard to tidy up

	library func() (string, error) // compiles what moves a clock, once
}

// NewFolder makes a folder under os.TempDir and sets the guard over it.
func NewFolder() (*Folder, error) {
	path, err := os.MkdirTemp("", "mintmark-test-")
	if err != nil {
		return nil, fmt.Errorf("make folder for test servers: %w", err)
	}
	// The servers' user may pass through, not look around.
	if err := os.Chmod(path, 0o711); err != nil {
		return nil, fmt.Errorf("open folder for test servers: %w", err)
	}
	f := &Folder{path: path, guard: exec.Command("sh", "-c", guard, "guard", path)}
	f.library = sync.OnceValues(f.compile)
	f.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if f.tell, err = f.guard.StdinPipe(); err != nil {
		return nil, fmt.Errorf("connect to guard of test servers: %w", err)
	}
	if err := f.guard.Start(); err != nil {
		return nil, fmt.Errorf("start guard of test servers: %w", err)
	}
	return f, nil
}

// Path is where the folder is.
func (f *Folder) Path() string { return f.path }

// Close ends every server that still runs here, removes the folder and returns when that is done.
func (f *Folder) Close() error {
	f.tell.Close()
	if err := f.guard.Wait(); err != nil {
		return fmt.Errorf("remove folder of test servers %s: %w", f.path, err)
	}
	return nil
}

// Watch has a process ended with the folder, or a whole process group if the id is negative.
func (f *Folder) Watch(pid int) error { return f.note("+", pid) }

// Unwatch takes Watch back, once the process has ended by itself.
func (f *Folder) Unwatch(pid int) error { return f.note("-", pid) }

// note is one short write, which a pipe never splits or mixes with another's.
func (f *Folder) note(verb string, pid int) error {
	if _, err := io.WriteString(f.tell, verb+" "+strconv.Itoa(pid)+"\n"); err != nil {
		return fmt.Errorf("tell guard of test servers: %w", err)
	}
	return nil
}

// room makes a folder for one server within the folder, owned by the user it will run as.
func (f *Folder) room(name string, owner *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp(f.path, name+"-")
	if err != nil {
		return "", fmt.Errorf("make folder for %s: %w", name, err)
	}
	if owner == nil {
		return dir, nil
	}
	if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
		return "", fmt.Errorf("give folder to %s: %w", name, err)
	}
	return dir, nil
}
