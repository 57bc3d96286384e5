package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTheCommandGetsTheAddressesOfTheServers(t *testing.T) {
	t.Setenv("MINTMARK_TEST_DATABASE_URL", "")
	t.Setenv("MINTMARK_TEST_REDIS_URL", "")
	told := filepath.Join(t.TempDir(), "told")
	code, err := run([]string{"sh", "-c", `echo "$MINTMARK_TEST_DATABASE_URL $MINTMARK_TEST_REDIS_URL" >"$0"`, told})
	if code != 0 || err != nil {
		t.Fatalf("got %d, %v", code, err)
	}
	text, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(text); !strings.HasPrefix(got, "postgres://") || !strings.Contains(got, " redis://") {
		t.Errorf("the command was told %q, want two URLs", got)
	}
}

func TestGivenServersAreUsed(t *testing.T) {
	t.Setenv("MINTMARK_TEST_DATABASE_URL", "postgres://given/")
	t.Setenv("MINTMARK_TEST_REDIS_URL", "redis://given/")
	code, err := run([]string{"sh", "-c", `test "$MINTMARK_TEST_DATABASE_URL$MINTMARK_TEST_REDIS_URL" = postgres://given/redis://given/`})
	if code != 0 || err != nil {
		t.Errorf("got %d, %v", code, err)
	}
}

func TestTheExitCodeIsTheCommands(t *testing.T) {
	t.Setenv("MINTMARK_TEST_DATABASE_URL", "postgres://given/")
	t.Setenv("MINTMARK_TEST_REDIS_URL", "redis://given/")
	if code, err := run([]string{"sh", "-c", "exit 7"}); code != 7 || err != nil {
		t.Errorf("got %d, %v, want 7", code, err)
	}
	if code, err := run([]string{"no-such-command"}); code != 1 || err == nil {
		t.Errorf("got %d, %v, want 1 and an error for a command that isn't there", code, err)
	}
	if code, err := run(nil); code != 2 || err == nil {
		t.Errorf("got %d, %v, want 2 and an error for no command", code, err)
	}
}

func TestASignalEndsTheCommandAndItsChildren(t *testing.T) {
	t.Setenv("MINTMARK_TEST_DATABASE_URL", "postgres://given/")
	t.Setenv("MINTMARK_TEST_REDIS_URL", "redis://given/")
	// The command and its child hold the pipe open for writing; it ends when both have.
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := os.ReadFile(pipe)
		ended <- err
	}()
	code, err := run([]string{"sh", "-c", `exec 3>"$0"; sleep 300 & kill -s TERM $PPID; wait`, pipe})
	if code == 0 || err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got %d, %v, want it interrupted", code, err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * grace):
		t.Error("the command's child is still there")
	}
}
