package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/private"
	"github.com/mintmark-auth/mintmark/internal/secret"
)

// Files of the data directory of embedded mode.
const (
	databaseFile = "mintmark.db"
	secretFile   = "root-secret"
	issuerFile   = "issuer"
	lockFile     = "lock"
)

// Errors of the data directory.
var (
	// ErrDataDirInUse says that another process serves from the directory.
	ErrDataDirInUse = errors.New("data directory is in use")
	// ErrDataDir says that the directory can't be used.
	ErrDataDir = errors.New("data directory can't be used")
	// ErrRootSecret says that the root secret is missing or another.
	ErrRootSecret = errors.New("root secret is missing or wrong")
)

// dataDir is the directory of embedded mode.
type dataDir struct {
	path    string
	lock    *os.File
	warning string // a group may write there
}

// claimDataDir makes the directory if need be and locks it: one process at a time.
// The lock goes with the process, however it ends.
func claimDataDir(path string) (*dataDir, error) {
	warning, err := private.MakeFolder(path)
	switch {
	case errors.Is(err, private.ErrForeign):
		return nil, fmt.Errorf("%w: %w", ErrDataDir, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w; set MINTMARK_DATA_DIR to a directory this user can write", ErrDataDir, err)
	}
	lock, err := private.Lock(filepath.Join(path, lockFile))
	switch {
	case errors.Is(err, private.ErrLocked):
		return nil, fmt.Errorf("%w: another mintmark serves from %s; stop it, or set MINTMARK_DATA_DIR to another directory", ErrDataDirInUse, path)
	case errors.Is(err, private.ErrForeign):
		return nil, fmt.Errorf("%w: %w", ErrDataDir, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: %w; give this user read and write access, or set MINTMARK_DATA_DIR", ErrDataDir, err)
	case err != nil:
		return nil, fmt.Errorf("%w: lock %s: %w; set MINTMARK_DATA_DIR to a directory on a file system that has locks", ErrDataDir, path, err)
	}
	return &dataDir{path: path, lock: lock, warning: warning}, nil
}

// checkDataDir refuses a directory in which others could have put something, as claimDataDir does, without making or
// locking one.
func checkDataDir(path string) error {
	_, err := private.CheckFolder(path)
	if errors.Is(err, private.ErrForeign) {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	return nil // what else there is to say of it, whoever opens a file says
}

// issuer returns the issuer that the directory was first served under, or "" if it is not
// known.
func (d *dataDir) issuer() (string, error) {
	text, err := private.ReadPublic(d.file(issuerFile))
	if errors.Is(err, private.ErrForeign) {
		return "", fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: %w; give this user read access", ErrDataDir, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// InForce is the configuration as serve would run it: in embedded mode with the
// issuer that the data directory remembers. ErrDataDir.
func InForce(cfg config.Config) (config.Config, error) {
	if cfg.Mode() != config.Embedded {
		return cfg, nil
	}
	if err := checkDataDir(cfg.DataDir); err != nil {
		return cfg, err
	}
	dir := dataDir{path: cfg.DataDir} // not claimed: it is only read
	issuer, err := dir.issuer()
	if err != nil || issuer == "" {
		return cfg, err
	}
	kept, err := cfg.WithRememberedIssuer(issuer)
	if err != nil {
		return cfg, fmt.Errorf("%w: %s: %w; write the issuer of the directory's tokens into it, or remove it", ErrDataDir, dir.file(issuerFile), err)
	}
	return kept, nil
}

// rememberIssuer notes the issuer of the directory, once.
func (d *dataDir) rememberIssuer(issuer string) error {
	known, err := d.issuer()
	if err != nil || known != "" {
		return err
	}
	if err := private.Write(d.file(issuerFile), issuer+"\n"); err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	return nil
}

func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// release makes the directory available to other processes.
func (d *dataDir) release() error { return d.lock.Close() }

func databasePath(dir string) string { return filepath.Join(dir, databaseFile) }

// refuseLost refuses a directory that has an issuer, and so was served from, but no
// database, perhaps because a volume is not mounted. An empty database in its place
// would silently lose every user.
func (d *dataDir) refuseLost() error {
	issuer, err := d.issuer()
	if err != nil || issuer == "" {
		return err
	}
	if found, err := d.hasDatabase(); err != nil || found {
		return err
	}
	return fmt.Errorf("%w: %s was served from before, and its %s is missing or empty; restore it from a backup, or remove %s and %s there to start afresh",
		ErrDataDir, d.path, databaseFile, secretFile, issuerFile)
}

// hasDatabase reports whether there is a database with anything in it.
func (d *dataDir) hasDatabase() (bool, error) {
	err := private.Check(databasePath(d.path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, private.ErrForeign):
		return false, fmt.Errorf("%w: %w", ErrDataDir, err)
	case err != nil:
		return false, fmt.Errorf("%w: %w; give this user read and write access", ErrDataDir, err)
	}
	info, err := os.Lstat(databasePath(d.path))
	return err == nil && info.Size() > 0, err
}

// ensureRootSecret reads the directory's root secret, and makes one when the
// directory is new. A directory with a database but without its secret is refused:
// a new secret would not open the keys in it.
func (d *dataDir) ensureRootSecret() (secret.Roots, error) {
	roots, err := readRootSecret(d.path)
	if !errors.Is(err, fs.ErrNotExist) {
		return roots, err
	}
	switch found, err := d.hasDatabase(); {
	case err != nil:
		return nil, err
	case found:
		return nil, fmt.Errorf("%w: %s is missing beside its database; restore it, or set MINTMARK_ROOT_SECRET to what it held",
			ErrRootSecret, d.file(secretFile))
	}
	roots = secret.GenerateRoots()
	if err := private.Write(d.file(secretFile), roots.Encode().Reveal()+"\n"); err != nil {
		return nil, fmt.Errorf("%w: write root secret: %w", ErrDataDir, err)
	}
	return roots, nil
}

// ensureSecretOfNew gives a directory without a database its secret, so that serve
// does not take a database that a migration made for one whose secret is lost.
func (d *dataDir) ensureSecretOfNew(cfg config.Config) error {
	if found, err := d.hasDatabase(); err != nil || found || len(cfg.RootSecret) > 0 {
		return err
	}
	_, err := d.ensureRootSecret()
	return err
}

// readRootSecret reads the secret of a directory. fs.ErrNotExist when there is none.
func readRootSecret(dir string) (secret.Roots, error) {
	path := filepath.Join(dir, secretFile)
	text, err := private.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, err
	case errors.Is(err, private.ErrExposed), errors.Is(err, private.ErrForeign):
		return nil, fmt.Errorf("%w: %w", ErrRootSecret, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w; give this user read access", ErrRootSecret, err)
	}
	roots, err := secret.ParseRoots(strings.TrimSpace(string(text)))
	clear(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrRootSecret, path, err)
	}
	return roots, nil
}
