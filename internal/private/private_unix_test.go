//go:build unix

package private_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/private"
)

func TestNoOtherUserCanReadWhatIsMade(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "folder")
	if err := private.MakeFolder(folder); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "secret")
	if err := private.Write(file, "text"); err != nil {
		t.Fatal(err)
	}
	lock, err := private.Lock(filepath.Join(folder, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	for path, want := range map[string]fs.FileMode{folder: 0o700, file: 0o600, lock.Name(): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got mode %v, %v, want %04o", path, info.Mode().Perm(), err, want)
		}
	}
}

func TestMakeLeavesAFileAsItIsAndGuardKeepsItFromOthers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "database")
	mode := func(step string, do func(string) error, want fs.FileMode) {
		t.Helper()
		if err := do(path); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got mode %v, %v, want %04o", step, info.Mode().Perm(), err, want)
		}
	}
	if err := private.Guard(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: got %v, want fs.ErrNotExist", err)
	}
	mode("made", private.Make, 0o600)
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	mode("opened to others", func(path string) error { return os.Chmod(path, 0o644) }, 0o644)
	mode("made again", private.Make, 0o644)
	mode("guarded", private.Guard, 0o600)
	if text, err := private.Read(path); string(text) != "text" || err != nil {
		t.Errorf("got %q, %v, want the text", text, err)
	}
}

// Each bit alone: others' and the group's, to read, write or run.
func TestAFileThatOthersHaveARightToIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	if err := private.Write(path, "text"); err != nil {
		t.Fatal(err)
	}
	for _, others := range []fs.FileMode{0o001, 0o002, 0o004, 0o010, 0o020, 0o040} {
		if err := os.Chmod(path, 0o600|others); err != nil {
			t.Fatal(err)
		}
		text, err := private.Read(path)
		if !errors.Is(err, private.ErrExposed) || text != nil || !strings.Contains(err.Error(), "run `chmod 600 "+path+"`") {
			t.Errorf("mode %04o: got %q, %v, want ErrExposed and how to mend it", 0o600|others, text, err)
		}
	}
	for _, own := range []fs.FileMode{0o400, 0o600, 0o700} {
		if err := os.Chmod(path, own); err != nil {
			t.Fatal(err)
		}
		if text, err := private.Read(path); string(text) != "text" || err != nil {
			t.Errorf("mode %04o: got %q, %v, want the text", own, text, err)
		}
	}
}

func TestAFolderThatExistsKeepsItsMode(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := private.MakeFolder(folder); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("got mode %v, %v, want 0750", info.Mode().Perm(), err)
	}
}
