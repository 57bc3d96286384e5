//go:build unix

package private_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/private"
)

func TestNoOtherUserCanReadWhatIsMade(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "folder")
	if _, err := private.MakeFolder(folder); err != nil {
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
	if _, err := private.MakeFolder(folder); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("got mode %v, %v, want 0750", info.Mode().Perm(), err)
	}
}

// planted puts something in the place of a file.
func planted(t *testing.T) map[string]func(path string) error {
	t.Helper()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(elsewhere, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	plants := map[string]func(path string) error{
		"a link to a file":   func(path string) error { return os.Symlink(elsewhere, path) },
		"a link to nothing":  func(path string) error { return os.Symlink(elsewhere+"-missing", path) },
		"a link to itself":   func(path string) error { return os.Symlink(path, path) },
		"a second name":      func(path string) error { return os.Link(elsewhere, path) },
		"a pipe":             func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a folder":           func(path string) error { return os.Mkdir(path, 0o700) },
		"a socket":           func(path string) error { return listenAt(t, path) },
		"a file for writers": func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o602)) },
	}
	if os.Geteuid() == 0 { // who alone can give a file away
		plants["a file of another user"] = func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, 65534, -1))
		}
	}
	t.Cleanup(func() {
		if text, err := os.ReadFile(elsewhere); string(text) != "theirs" || err != nil {
			t.Errorf("the other file holds %q, %v", text, err)
		}
		if _, err := os.Lstat(elsewhere + "-missing"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file was made through a link: %v", err)
		}
	})
	return plants
}

func listenAt(t *testing.T, path string) error {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err == nil {
		t.Cleanup(func() { l.Close() })
	}
	return err
}

func TestWhatSomebodyPlantedIsNeitherOpenedNorMade(t *testing.T) {
	t.Parallel()
	for name, plant := range planted(t) {
		path := filepath.Join(t.TempDir(), "f")
		if err := plant(path); err != nil {
			t.Fatal(err)
		}
		for verb, do := range map[string]func(string) error{
			"lock":        func(path string) error { _, err := private.Lock(path); return err },
			"make":        private.Make,
			"check":       private.Check,
			"beside":      func(path string) error { return private.CheckBeside(strings.TrimSuffix(path, "f"), "f", "missing") },
			"guard":       private.Guard,
			"read":        func(path string) error { _, err := private.Read(path); return err },
			"read public": func(path string) error { _, err := private.ReadPublic(path); return err },
		} {
			if err := do(path); !errors.Is(err, private.ErrForeign) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "mode ") {
				t.Errorf("%s, %s: got %v, want ErrForeign with path, owner and mode", name, verb, err)
			}
		}
	}
}

func TestALinkIsRefusedWithWhatItLeadsTo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.Symlink("elsewhere", path); err != nil {
		t.Fatal(err)
	}
	if _, err := private.Read(path); err == nil || !strings.Contains(err.Error(), `it is a link to "elsewhere", and links are not followed`) {
		t.Errorf("got %v, want the link named", err)
	}
}

func TestAFolderThatOthersWriteToIsRefused(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for mode, refused := range map[fs.FileMode]bool{0o700: false, 0o755: false, 0o770: false, 0o777: true, fs.ModeSticky | 0o777: true, 0o702: true} {
		if err := os.Chmod(folder, mode); err != nil {
			t.Fatal(err)
		}
		warning, err := private.MakeFolder(folder)
		if errors.Is(err, private.ErrForeign) != refused || (warning != "") != (mode == 0o770) {
			t.Errorf("%v: %q, %v", mode, warning, err)
		}
	}
	dangling := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(folder, "nothing"), dangling); err != nil {
		t.Fatal(err)
	}
	if _, err := private.MakeFolder(dangling); err == nil {
		t.Error("a folder was made through a link")
	}
}

func TestANamedFileMayBeALinkAndItsTargetAndFoldersAreLookedAt(t *testing.T) {
	t.Parallel()
	volume := t.TempDir() // as Kubernetes makes it: token -> ..data/token, ..data -> ..2026
	hidden := filepath.Join(volume, "..2026")
	path, target := filepath.Join(volume, "token"), filepath.Join(hidden, "token")
	if err := errors.Join(os.Chmod(volume, fs.ModeSticky|0o777), os.Mkdir(hidden, 0o755), os.WriteFile(target, nil, 0o600),
		os.Symlink("..2026", filepath.Join(volume, "..data")), os.Symlink("..data/token", path)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file, hidden, volume fs.FileMode
		refused, warned      bool
	}{
		{0o600, 0o755, fs.ModeSticky | 0o777, false, false},
		{0o644, 0o755, fs.ModeSticky | 0o777, false, true},
		{0o440, 0o755, fs.ModeSticky | 0o777, false, false},
		{0o620, 0o755, fs.ModeSticky | 0o777, true, false},
		{0o602, 0o755, fs.ModeSticky | 0o777, true, false},
		{0o600, 0o757, fs.ModeSticky | 0o777, true, false},
		{0o600, 0o755, 0o777, true, false},
	} {
		if err := errors.Join(os.Chmod(target, c.file), os.Chmod(hidden, c.hidden), os.Chmod(volume, c.volume)); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		warning, err := private.CheckNamed(file)
		if errors.Is(err, private.ErrForeign) != c.refused || (warning != nil) != c.warned {
			t.Errorf("%+v: %v, %v", c, warning, err)
		}
		file.Close()
	}
}
