package server_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/testserver/server"
)

// ownerVariable makes the test binary the owner of servers, for another run of it to kill.
const ownerVariable = "MINTMARK_TEST_OWNER"

func TestMain(m *testing.M) {
	if os.Getenv(ownerVariable) != "" {
		beOwner()
	}
	os.Exit(m.Run())
}

// beOwner starts servers, says where, and waits to be killed.
func beOwner() {
	folder, err := server.NewFolder()
	if err != nil {
		panic(err)
	}
	postgres, err := server.StartPostgres(folder)
	if err != nil {
		panic(err)
	}
	redis, err := server.StartRedis(folder)
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(os.Stdout, strings.Join([]string{folder.Path(), postgres.Addr(), redis.Addr()}, " ")+"\n")
	select {}
}

func TestAKilledOwnerLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), ownerVariable+"=yes")
	owner.Stderr = t.Output()
	output, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("the owner said %q: %v", line, err)
	}
	said := strings.Fields(line)
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait() // it was killed, as asked
	awaitGone(t, said[0])
	for _, address := range said[1:] {
		if answers(address) {
			t.Errorf("%s still answers", address)
		}
	}
}

func TestCloseEndsServersAndRemovesTheirFiles(t *testing.T) {
	t.Parallel()
	folder := newFolder(t)
	redis, err := server.StartRedis(folder)
	if err != nil {
		t.Fatal(err)
	}
	if !answers(redis.Addr()) {
		t.Fatalf("%s doesn't answer", redis.Addr())
	}
	if err := folder.Close(); err != nil {
		t.Error(err)
	}
	if answers(redis.Addr()) {
		t.Errorf("%s still answers", redis.Addr())
	}
	if _, err := os.Stat(folder.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", folder.Path(), err)
	}
}

func TestAKilledPostgresLeavesNoSharedMemory(t *testing.T) {
	t.Parallel()
	folder := newFolder(t)
	t.Cleanup(func() { folder.Close() })
	postgres, err := server.StartPostgres(folder)
	if err != nil {
		t.Fatal(err)
	}
	pidFile, err := filepath.Glob(filepath.Join(folder.Path(), "postgres-*", "data", "postmaster.pid"))
	if err != nil || len(pidFile) != 1 {
		t.Fatalf("got %q, %v, want one postmaster.pid", pidFile, err)
	}
	text, err := os.ReadFile(pidFile[0])
	if err != nil {
		t.Fatal(err)
	}
	segment := strings.Fields(strings.Split(string(text), "\n")[6])[1]
	if err := postgres.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Close(); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command("ipcs", "-m", "-i", segment).Output(); err == nil && strings.Contains(string(said), "nattch") {
		t.Errorf("segment %s is still there: %s", segment, said)
	}
}

func TestAServerThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	folder := newFolder(t)
	t.Cleanup(func() { folder.Close() })
	_, err := server.StartRedis(folder, "--no-such-setting", "1")
	if err == nil || !strings.Contains(err.Error(), "no-such-setting") {
		t.Errorf("got %v, want an error with what Redis said of no-such-setting", err)
	}
}

func TestAMissingServerIsAClearError(t *testing.T) {
	t.Setenv("PATH", "/usr/bin/none")
	if _, err := server.StartRedis(nil); !errors.Is(err, server.ErrNoRedis) {
		t.Errorf("got %v, want ErrNoRedis", err)
	}
}

func newFolder(t *testing.T) *server.Folder {
	t.Helper()
	folder, err := server.NewFolder()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func answers(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func awaitGone(t *testing.T, path string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	giveUp := time.After(50 * time.Second)
	for {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return
		}
		select {
		case <-tick.C:
		case <-giveUp:
			t.Fatalf("%s is still there", path)
		}
	}
}
