package db_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/mintmark-auth/mintmark/db"
)

const nobody = 65534

// asNobody runs something as a user whom files don't belong to: also for root, who
// may open all. It is one thread that changes, and it ends with its goroutine.
func asNobody(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		syscall.Setfsuid(nobody)
		do()
	}()
	<-done
}

// TestASQLiteFileOfOthersIsSaidToBe, with what would give access to it.
func TestASQLiteFileOfOthersIsSaidToBe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "mintmark.db")
	if err := db.SQLite(file).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	const access = "give this user read and write access to it and to its directory"

	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	asNobody(func() { assertRefused(t, db.SQLite(file), db.ErrUnusable, file, access) })

	// The file may be written, and the files beside it that SQLite needs may not be made.
	open := t.TempDir()
	t.Cleanup(func() {
		if err := os.Chmod(open, 0o700); err != nil { // so that it can be removed
			t.Error(err)
		}
	})
	file = filepath.Join(open, "mintmark.db")
	if err := db.SQLite(file).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{file: 0o660, open: 0o555, filepath.Dir(open): 0o755} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	asNobody(func() { assertRefused(t, db.SQLite(file), db.ErrUnusable, file, access) })
}
