package server

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	startLimit = 40 * time.Second       // for a server to say that it is ready
	stopLimit  = 20 * time.Second       // for a server to end by itself, before it is killed
	pollEvery  = 10 * time.Millisecond  // how often a starting server's log is read
	retryAfter = 100 * time.Millisecond // between two tries to start
	retryLimit = 20 * time.Second       // for what a killed predecessor held to become free
)

// errExited says that a server ended before it was ready. Its port may have been taken, or a killed
// predecessor may not have let go yet, so a start is tried again.
var errExited = errors.New("the server ended at once")

// Server is one process of Postgres, Redis or nginx with a port and a folder it keeps when it is stopped and
// started again. It is not safe for concurrent use.
type Server struct {
	kind    kind
	folder  *Folder
	dir     string
	port    int
	owner   *syscall.Credential // nil: as ourselves
	command *exec.Cmd           // nil while the server does not run

	clock       string   // the file that moves its clock; "": it has the machine's
	environment []string // of the process, besides ours
}

// kind is what sets them apart.
type kind struct {
	name  string
	ready string // the words in the log that mean: clients are welcome
	url   string // with a %d for the port
	path  string
	args  func(dir string, port int) []string
	tidy  func(dir string) error // removes what a killed process leaves outside its folder
}

// start makes a server's first process, on a port nobody uses.
func (s *Server) start() error {
	var err error
	for range 5 {
		if s.port, err = FreePort(); err != nil {
			return err
		}
		if err = s.launch(); !errors.Is(err, errExited) {
			return err
		}
	}
	return err
}

// URL is where the server listens, also while it is stopped.
func (s *Server) URL() string { return fmt.Sprintf(s.kind.url, s.port) }

// Addr is the server's host and port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Start runs a stopped server again, on the same port and data, and returns when it is ready.
func (s *Server) Start() error {
	if s.command != nil {
		return nil
	}
	giveUp := time.Now().Add(retryLimit)
	for {
		err := s.launch()
		if !errors.Is(err, errExited) || time.Now().After(giveUp) {
			return err
		}
		<-time.After(retryAfter)
	}
}

// Stop asks the server to end, as an operator would, and returns when it has.
func (s *Server) Stop() error { return s.end(syscall.SIGINT) }

// Kill ends the server without a chance to tidy up, and returns when it is gone.
func (s *Server) Kill() error { return s.end(syscall.SIGKILL) }

// Close stops the server and removes all it has, for good.
func (s *Server) Close() error {
	if err := s.Stop(); err != nil {
		return err
	}
	if err := s.kind.tidy(s.dir); err != nil {
		return err
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove files of %s: %w", s.kind.name, err)
	}
	return nil
}

func (s *Server) launch() error {
	log, err := os.OpenFile(s.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log of %s: %w", s.kind.name, err)
	}
	defer log.Close()
	before, err := log.Seek(0, 2)
	if err != nil {
		return fmt.Errorf("measure log of %s: %w", s.kind.name, err)
	}
	command := exec.Command(s.kind.path, s.kind.args(s.dir, s.port)...)
	command.Dir, command.Stdout, command.Stderr = s.dir, log, log
	command.Env = append(os.Environ(), s.environment...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.owner}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.kind.name, err)
	}
	s.command = command
	if err := s.folder.Watch(command.Process.Pid); err != nil {
		return errors.Join(err, s.Kill())
	}
	return s.awaitReady(before)
}

// awaitReady believes only the server's own log: whoever answers on the port may be another's.
func (s *Server) awaitReady(logStart int64) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	giveUp := time.Now().Add(startLimit)
	for {
		said, err := s.logSince(logStart)
		if err != nil {
			return errors.Join(err, s.Kill())
		}
		if bytes.Contains(said, []byte(s.kind.ready)) {
			return nil
		}
		if s.exited() {
			return fmt.Errorf("start %s: %w; it said: %s", s.kind.name, errExited, tail(said))
		}
		if time.Now().After(giveUp) {
			return errors.Join(fmt.Errorf("start %s: not ready after %s; it said: %s", s.kind.name, startLimit, tail(said)), s.Kill())
		}
		<-tick.C
	}
}

// exited looks whether the process has ended, without waiting for it.
func (s *Server) exited() bool {
	pid := s.command.Process.Pid
	if ended, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil); err != nil || ended != pid {
		return false
	}
	s.command = nil
	_ = s.folder.Unwatch(pid) // a lost guard shows at the next start
	return true
}

func (s *Server) end(signal syscall.Signal) error {
	if s.command == nil {
		return nil
	}
	process := s.command.Process
	if err := process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", s.kind.name, err)
	}
	impatient := time.AfterFunc(stopLimit, func() { _ = process.Kill() })
	defer impatient.Stop()
	if _, err := process.Wait(); err != nil {
		return fmt.Errorf("wait for %s to end: %w", s.kind.name, err)
	}
	s.command = nil
	return s.folder.Unwatch(process.Pid)
}

// Log is what the server has said.
func (s *Server) Log() ([]byte, error) { return s.logSince(0) }

func (s *Server) logPath() string { return filepath.Join(s.dir, "log") }

func (s *Server) logSince(start int64) ([]byte, error) {
	all, err := os.ReadFile(s.logPath())
	if err != nil {
		return nil, fmt.Errorf("read log of %s: %w", s.kind.name, err)
	}
	return all[min(start, int64(len(all))):], nil
}

// tail is the end of a log, as much as fits into an error.
func tail(log []byte) []byte {
	const enough = 1500
	return bytes.TrimSpace(log[max(0, len(log)-enough):])
}

// FreePort finds a port of 127.0.0.1 that nobody uses. It looks below the range from which the kernel
// serves outgoing connections (32768 and up): a client that redials a stopped server there can be
// given the server's own port, and keep it.
func FreePort() (int, error) {
	const low, high, tries = 15000, 32000, 100
	for range tries {
		port := low + rand.IntN(high-low)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		return port, listener.Close()
	}
	return 0, fmt.Errorf("find a free port: none of %d tried between %d and %d on 127.0.0.1 could be opened", tries, low, high)
}
