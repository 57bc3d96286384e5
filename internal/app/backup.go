package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mintmark-auth/mintmark/internal/backup"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/private"
	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
)

// Errors of backups.
var (
	// ErrNotEmbedded says that the data directory is not all that there is to back up.
	ErrNotEmbedded = errors.New("this is for embedded mode")
	// ErrBackupExists says that something has the name of the backup.
	ErrBackupExists = errors.New("nothing is overwritten")
	// ErrFull says that a disk is full.
	ErrFull = sqlite.ErrFull
)

// progressEvery is how often a long copy is told of.
const progressEvery = 5 * time.Second

// Backup is how a data directory is to be backed up.
type Backup struct {
	WithoutSecret bool
	Tell          func(line string) // progress
}

// ToFile backs a data directory up while serve uses it, into a file that there is whole or not at all.
// ErrNotEmbedded, ErrBackupExists, ErrFull, ErrDataDir, ErrRootSecret.
func (b Backup) ToFile(ctx context.Context, cfg config.Config, name string) (size int64, err error) {
	if _, err := os.Lstat(name); err == nil { // Publish decides; this saves the work
		return 0, fmt.Errorf("%s exists: %w", name, ErrBackupExists)
	}
	err = inDraft(filepath.Dir(name), func(folder string) error {
		draft := filepath.Join(folder, "backup.tar")
		file, err := private.Create(draft)
		if err != nil {
			return err
		}
		err = b.write(ctx, cfg, folder, file)
		if err == nil {
			size, err = file.Seek(0, io.SeekEnd)
		}
		if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
			return err
		}
		return publish(draft, name)
	})
	return size, whereFull(err)
}

// ToStream backs a data directory up into a stream. The database is copied into the folder for temporary files first.
func (b Backup) ToStream(ctx context.Context, cfg config.Config, w io.Writer) error {
	return whereFull(inDraft(os.TempDir(), func(folder string) error { return b.write(ctx, cfg, folder, w) }))
}

func publish(draft, name string) error {
	err := private.Publish(draft, name)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s exists: %w", name, ErrBackupExists)
	case err != nil:
		return fmt.Errorf("%w; choose a FILE on a file system with hard links, or write the backup to standard output with -", err)
	}
	return nil
}

// inDraft works in a new folder of this user alone, which goes with all that is in it.
func inDraft(beside string, work func(folder string) error) error {
	folder := filepath.Join(beside, ".mintmark-"+rand.Text())
	if _, err := os.Stat(beside); err != nil {
		return err
	}
	if _, err := private.MakeFolder(folder); err != nil {
		return err
	}
	return errors.Join(work(folder), os.RemoveAll(folder))
}

// write copies the database into the folder, and writes it with the files beside it.
func (b Backup) write(ctx context.Context, cfg config.Config, folder string, w io.Writer) error {
	texts, err := b.texts(cfg)
	if err != nil {
		return err
	}
	path := filepath.Join(folder, databaseFile)
	if err := private.Make(path); err != nil { // SQLite takes an empty file, and would make one that others can read
		return err
	}
	done := b.watch(databasePath(cfg.DataDir), path)
	err = sqlite.Snapshot(ctx, databasePath(cfg.DataDir), path)
	done()
	if err != nil {
		return err
	}
	database, err := os.Open(path)
	if err != nil {
		return err
	}
	defer database.Close() // it was only read
	info, err := database.Stat()
	if err != nil {
		return err
	}
	return backup.Write(w, texts, interruptible{ctx, database}, info.Size(), time.Now())
}

// texts are the issuer and the root secret that serve runs with.
func (b Backup) texts(cfg config.Config) (texts backup.Texts, err error) {
	if cfg.Mode() != config.Embedded {
		return texts, fmt.Errorf("%w: back Postgres up with pg_dump, see *Back up* in deploy/runbook.md", ErrNotEmbedded)
	}
	dir := dataDir{path: cfg.DataDir} // not claimed: serve may run
	if found, err := dir.hasDatabase(); err != nil || !found {
		return texts, errors.Join(err, fmt.Errorf("%w: no database in %s; set MINTMARK_DATA_DIR", ErrDataDir, cfg.DataDir))
	}
	if b.WithoutSecret {
		cfg, err = InForce(cfg)
		return backup.Texts{Issuer: cfg.Issuer}, err
	}
	cfg, roots, err := inForceWithRoots(cfg)
	return backup.Texts{Issuer: cfg.Issuer, Secret: roots.Encode().Reveal()}, err
}

// watch tells how far a copy is, until the function that it returns is called.
func (b Backup) watch(from, to string) (done func()) {
	ended, ticker := make(chan struct{}), time.NewTicker(progressEvery)
	go func() {
		for {
			select {
			case <-ended:
				return
			case <-ticker.C:
				b.Tell(fmt.Sprintf("copied %d of at most %d MiB", sizeOf(to)>>20, (sizeOf(from)+sizeOf(from+"-wal"))>>20))
			}
		}
	}()
	return func() { ticker.Stop(); close(ended) }
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// interruptible is a reader that fails when its context has ended.
type interruptible struct {
	ctx context.Context
	io.Reader
}

func (r interruptible) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// whereFull says what to do about a full disk.
func whereFull(err error) error {
	if errors.Is(err, ErrFull) || errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w; nothing was left behind; make room for twice the database, or choose another disk (%w)", ErrFull, err)
	}
	return err
}
