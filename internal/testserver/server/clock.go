package server

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// ErrNoClock says that a server was started without a clock of its own.
var ErrNoClock = errors.New("this server has the machine's clock: start it with StartPostgresWithClock or StartRedisWithClock")

//go:embed preload/clock.c
var clockSource []byte

// SetClock sets the wall clock of a server that has its own, also while it is stopped: from now on
// it is that far ahead of this machine's. ErrNoClock.
func (s *Server) SetClock(ahead time.Duration) error {
	if s.clock == "" {
		return ErrNoClock
	}
	file, err := os.OpenFile(s.clock, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("set clock of %s: %w", s.kind.name, err)
	}
	// One write in place: the server has the file mapped into its memory.
	_, err = file.Write(binary.NativeEndian.AppendUint64(nil, uint64(ahead)))
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("set clock of %s: %w", s.kind.name, err)
	}
	return nil
}

// withClock gives a server that was not started yet a clock of its own.
func (s *Server) withClock() error {
	library, err := s.folder.library()
	if err != nil {
		return err
	}
	s.clock = filepath.Join(s.dir, "clock")
	s.environment = []string{"LD_PRELOAD=" + library, "MINTMARK_TEST_CLOCK=" + s.clock}
	return s.SetClock(0)
}

// compile builds what moves the clock of a server.
func (f *Folder) compile() (string, error) {
	source, library := filepath.Join(f.path, "clock.c"), filepath.Join(f.path, "clock.so")
	if err := os.WriteFile(source, clockSource, 0o600); err != nil {
		return "", fmt.Errorf("write clock for test servers: %w", err)
	}
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "gcc"
	}
	if said, err := exec.Command(compiler, "-O1", "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile clock for test servers: %w; it said: %s; this needs Linux and gcc", err, tail(said))
	}
	return library, os.Chmod(library, 0o755) // the servers' user reads it
}
