package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/backup"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/private"
	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
)

// ErrNotEmpty says that there is something where a backup is to be restored.
var ErrNotEmpty = errors.New("data directory is not empty")

// Restored is what a backup turned out to be.
type Restored struct {
	Issuer string
	Secret bool     // the backup contains the root secret
	Notes  []string // what to see to before serve starts
}

// Restore makes a data directory from a backup, under its lock, and checks it before any of it is there.
// ErrNotEmbedded, ErrDataDirInUse, ErrNotEmpty, backup.ErrArchive, ErrFull and those of the schema and the keys.
func Restore(ctx context.Context, cfg config.Config, file io.Reader) (restored Restored, err error) {
	if cfg.Mode() != config.Embedded {
		return restored, fmt.Errorf("%w: restore Postgres with pg_restore, see *A restored backup* in deploy/runbook.md", ErrNotEmbedded)
	}
	dir, err := claimDataDir(cfg.DataDir)
	if err != nil {
		return restored, err
	}
	err = dir.refuseFilled()
	if err == nil {
		err = inDraft(dir.path, func(folder string) error {
			restored, err = dir.restore(ctx, cfg, folder, file)
			return err
		})
	}
	return restored, whereFull(errors.Join(err, dir.release()))
}

// refuseFilled refuses a directory with anything in it but the lock and what a file system makes.
func (d *dataDir) refuseFilled() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	for _, entry := range entries {
		if name := entry.Name(); name != lockFile && name != "lost+found" {
			return fmt.Errorf("%w: %s contains %q; set MINTMARK_DATA_DIR to a directory that is new or empty", ErrNotEmpty, d.path, name)
		}
	}
	return nil
}

// restore unpacks a backup into a folder, checks it there and moves it into the directory.
func (d *dataDir) restore(ctx context.Context, cfg config.Config, folder string, file io.Reader) (Restored, error) {
	texts, err := unpack(ctx, folder, file)
	if err != nil {
		return Restored{}, err
	}
	restored := Restored{Issuer: texts.Issuer, Secret: texts.Secret != ""}
	cfg.DataDir = folder
	if restored.Notes, err = checkRestored(ctx, cfg); err != nil {
		return Restored{}, err
	}
	// The database comes last: serve refuses a directory that has an issuer and no database.
	names := []string{issuerFile, secretFile, databaseFile}
	if !restored.Secret {
		names = []string{issuerFile, databaseFile}
	}
	return restored, d.moveIn(folder, names)
}

// moveIn moves files from a folder into the directory, or none of them.
func (d *dataDir) moveIn(folder string, names []string) error {
	for _, name := range names {
		if err := private.Move(filepath.Join(folder, name), d.file(name)); err != nil {
			return errors.Join(err, d.moveBack(folder, names))
		}
	}
	return nil
}

// moveBack moves those of the files back that were moved. It says which are to be removed if it can't.
func (d *dataDir) moveBack(folder string, names []string) (err error) {
	for _, name := range names {
		from := filepath.Join(folder, name)
		if _, missing := os.Lstat(from); missing == nil {
			continue // what has its name in the directory is not ours
		}
		if failed := os.Rename(d.file(name), from); failed != nil {
			err = errors.Join(err, fmt.Errorf("%w; remove %s before you try again", failed, d.file(name)))
		}
	}
	return err
}

func unpack(ctx context.Context, folder string, file io.Reader) (backup.Texts, error) {
	database, err := private.Create(databasePath(folder))
	if err != nil {
		return backup.Texts{}, err
	}
	texts, err := backup.Read(interruptible{ctx, file}, database)
	if err := errors.Join(err, database.Sync(), database.Close()); err != nil {
		return backup.Texts{}, err
	}
	err = private.Write(filepath.Join(folder, issuerFile), texts.Issuer+"\n")
	if err == nil && texts.Secret != "" {
		err = private.Write(filepath.Join(folder, secretFile), texts.Secret+"\n")
	}
	return texts, err
}

// checkRestored checks the database, its schema and that its keys open, and says what it could not check.
func checkRestored(ctx context.Context, cfg config.Config) (notes []string, err error) {
	damage, err := sqlite.Inspect(ctx, databasePath(cfg.DataDir))
	if err != nil {
		return nil, err
	}
	if damage != "" {
		return nil, fmt.Errorf("%w: its database: %s", backup.ErrArchive, strings.ReplaceAll(damage, "\n", "; "))
	}
	if _, err := InForce(cfg); err != nil {
		return nil, err
	}
	schema, err := Schema(cfg)
	if err != nil {
		return nil, err
	}
	status, err := schema.Status(ctx)
	if err != nil {
		return nil, err
	}
	switch err := status.Verdict(); {
	case errors.Is(err, db.ErrSchemaBehind):
		return []string{fmt.Sprintf("the schema of the backup is behind (version %d of %d): run `mintmark migrate up`, then `mintmark keys verify --offline`, because the keys were not checked",
			status.Version, status.Latest)}, nil
	case err != nil:
		return nil, err
	}
	return checkKeys(ctx, cfg)
}

// checkKeys refuses a backup whose keys don't open.
func checkKeys(ctx context.Context, cfg config.Config) (notes []string, err error) {
	if _, err := os.Stat(filepath.Join(cfg.DataDir, secretFile)); err != nil && len(cfg.RootSecret) == 0 {
		return []string{"the backup contains no root secret: set MINTMARK_ROOT_SECRET to it, then `mintmark keys verify --offline`, because the keys were not checked"}, nil
	}
	stores, err := OpenStores(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stores.Close()) }()
	operator, err := stores.Operator(cfg)
	if err != nil {
		return nil, err
	}
	found, err := operator.VerifyKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, key := range found.Keys {
		if key.Problem != nil && found.NoneOpens() {
			return nil, fmt.Errorf("no signing key of the backup opens: %w", key.Problem)
		}
		if key.Problem != nil {
			notes = append(notes, fmt.Sprintf("%v; see *A signing key is damaged* in deploy/runbook.md", key.Problem))
		}
	}
	return notes, nil
}
