package private_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/private"
)

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "new", "folder")
	if _, err := private.MakeFolder(folder); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "secret")
	for _, text := range []string{"first", "second"} {
		if err := private.Write(path, text); err != nil {
			t.Fatal(err)
		}
		if got, err := private.Read(path); string(got) != text || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, text)
		}
	}
	if files, err := os.ReadDir(folder); len(files) != 1 || err != nil {
		t.Errorf("got %v, %v, want the file alone", files, err)
	}
}

func TestAMissingFileIsDistinguishedFromAnExposedOne(t *testing.T) {
	t.Parallel()
	if _, err := private.Read(filepath.Join(t.TempDir(), "secret")); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, private.ErrExposed) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

func TestAFailedWriteLeavesNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "taken")
	if err := os.MkdirAll(filepath.Join(path, "by a folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := private.Write(path, "text"); err == nil {
		t.Error("a file was written over a folder")
	}
	if files, err := os.ReadDir(folder); len(files) != 1 || err != nil {
		t.Errorf("got %v, %v, want what was there", files, err)
	}
	if err := private.Write(filepath.Join(folder, "missing", "file"), "text"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

func TestAFileIsNotAFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := private.MakeFolder(path); err == nil {
		t.Error("a file was taken for a folder")
	}
}

func TestALockIsHeldByOneUntilItIsClosed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := private.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := private.Lock(path); !errors.Is(err, private.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := private.Lock(path)
	if err != nil {
		t.Fatalf("after the first was closed: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAFileThatCannotBeOpenedIsNotLocked(t *testing.T) {
	t.Parallel()
	if _, err := private.Lock(filepath.Join(t.TempDir(), "missing", "lock")); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, private.ErrLocked) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

func TestPublishReplacesNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	draft, name := filepath.Join(folder, "draft"), filepath.Join(folder, "name")
	for _, published := range []bool{true, false} {
		file, err := private.Create(draft)
		if err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := private.Create(draft); !errors.Is(err, fs.ErrExist) {
			t.Errorf("created twice: got %v, want fs.ErrExist", err)
		}
		if err := private.Publish(draft, name); published != (err == nil) || !published && !errors.Is(err, fs.ErrExist) {
			t.Errorf("published %t: got %v", published, err)
		}
	}
	if err := private.Move(draft, filepath.Join(folder, "moved")); err != nil {
		t.Error(err)
	}
	if files, err := os.ReadDir(folder); len(files) != 2 || err != nil {
		t.Errorf("got %v, %v, want the published and the moved file", files, err)
	}
}
