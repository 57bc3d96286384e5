package app_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/app"
)

// served is a data directory that was served from.
func served(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if _, err := open(t, "MINTMARK_DATA_DIR="+dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func silent() app.Backup { return app.Backup{Tell: func(string) {}} }

// cancels ends a context when something is written.
type cancels struct{ end func() }

func (c cancels) Write(p []byte) (int, error) {
	c.end()
	return len(p), nil
}

func TestAnInterruptedBackupLeavesNothing(t *testing.T) {
	dir, folder := served(t), t.TempDir()
	t.Setenv("TMPDIR", folder)
	cfg := load(t, "MINTMARK_DATA_DIR="+dir)
	ctx, end := context.WithCancel(t.Context())
	if err := silent().ToStream(ctx, cfg, cancels{end}); !errors.Is(err, context.Canceled) {
		t.Errorf("while it is written: got %v, want context.Canceled", err)
	}
	if _, err := silent().ToFile(ctx, cfg, filepath.Join(folder, "backup.tar")); !errors.Is(err, context.Canceled) {
		t.Errorf("while the database is copied: got %v, want context.Canceled", err)
	}
	if left, err := os.ReadDir(folder); len(left) != 0 || err != nil {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestAnInterruptedRestoreLeavesAnEmptyDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "backup.tar")
	if _, err := silent().ToFile(t.Context(), load(t, "MINTMARK_DATA_DIR="+served(t)), file); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	end()
	target := t.TempDir()
	if _, err := restore(ctx, t, file, target); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if restored, err := restore(t.Context(), t, file, target); err != nil || !restored.Secret || len(restored.Notes) != 0 {
		t.Errorf("again: got %v, %v", restored, err)
	}
}

// plants does something before the first byte is read.
type plants struct {
	io.Reader
	do func() error
}

func (p *plants) Read(b []byte) (int, error) {
	if do := p.do; do != nil {
		p.do = nil
		if err := do(); err != nil {
			return 0, err
		}
	}
	return p.Reader.Read(b)
}

func TestARestoreThatFailsWhileItMovesFilesLeavesTheDirectoryAsItWas(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "backup.tar")
	if _, err := silent().ToFile(t.Context(), load(t, "MINTMARK_DATA_DIR="+served(t)), file); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"issuer", "root-secret", "mintmark.db"} {
		from, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { from.Close() })
		target := t.TempDir()
		inTheWay := filepath.Join(target, name)
		theirs := func() error { return os.MkdirAll(filepath.Join(inTheWay, "theirs"), 0o700) }
		if _, err := app.Restore(t.Context(), load(t, "MINTMARK_DATA_DIR="+target), &plants{from, theirs}); err == nil || !strings.Contains(err.Error(), inTheWay) {
			t.Errorf("%s is in the way: got %v", name, err)
		}
		if err := os.Remove(filepath.Join(inTheWay, "theirs")); err != nil {
			t.Error(err)
		}
		if err := os.Remove(inTheWay); err != nil {
			t.Error(err)
		}
		if _, err := restore(t.Context(), t, file, target); err != nil {
			t.Errorf("%s was in the way, and is not any more: got %v", name, err)
		}
	}
}

func restore(ctx context.Context, t *testing.T, file, target string) (app.Restored, error) {
	t.Helper()
	from, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { from.Close() })
	return app.Restore(ctx, load(t, "MINTMARK_DATA_DIR="+target), from)
}

func TestABackupOfANewerSchemaIsRefusedAndAnOlderOneIsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change string
		want   error
		note   string
	}{
		"newer": {`INSERT INTO schema_compat VALUES (1001, 1001); UPDATE schema_migrations SET version = 1001`, db.ErrSchemaTooNew, ""},
		"older": {"", nil, "the schema of the backup is behind"},
	} {
		dir, file := served(t), filepath.Join(t.TempDir(), "backup.tar")
		if c.change != "" {
			execOn(t, "sqlite", filepath.Join(dir, "mintmark.db"), c.change)
		} else if err := db.SQLite(filepath.Join(dir, "mintmark.db")).Down(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		bare := app.Backup{WithoutSecret: true, Tell: func(string) {}} // so that only the schema is judged
		if _, err := bare.ToFile(t.Context(), load(t, "MINTMARK_DATA_DIR="+dir), file); err != nil {
			t.Fatal(err)
		}
		restored, err := restore(t.Context(), t, file, t.TempDir())
		if !errors.Is(err, c.want) || !strings.Contains(strings.Join(restored.Notes, "\n"), c.note) {
			t.Errorf("%s: got %v, %v, want %v and %q", name, restored, err, c.want, c.note)
		}
	}
}

func TestARestoreReplacesNothing(t *testing.T) {
	t.Parallel()
	file, target := filepath.Join(t.TempDir(), "backup.tar"), t.TempDir()
	if _, err := silent().ToFile(t.Context(), load(t, "MINTMARK_DATA_DIR="+served(t)), file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(target, "issuer")); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(t.Context(), t, file, target); !errors.Is(err, app.ErrNotEmpty) {
		t.Errorf("got %v, want ErrNotEmpty", err)
	}
}
