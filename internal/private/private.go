// Package private keeps files from other users of the machine, and a folder from other processes, on each
// system in its own way: by modes and flock on Unix, by access control lists and LockFileEx on Windows. It protects
// one invariant: what it has written or read, nobody could read but this user and those whom no file is
// safe from (root; on Windows the system and the administrators). It knows nothing of what is in the files.
package private

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Errors of private files.
var (
	// ErrExposed says that others can read a file, and how to mend it.
	ErrExposed = errors.New("can be read by others")
	// ErrLocked says that another process holds the lock.
	ErrLocked = errors.New("locked by another process")
)

// MakeFolder makes a folder that only this user can enter, and those above it as
// need be. One that exists stays as it is.
func MakeFolder(path string) error {
	_, err := os.Stat(path)
	if isNew := errors.Is(err, fs.ErrNotExist); !isNew {
		return os.MkdirAll(path, 0o700) // nothing, or the error of a path that is no folder
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return guard(path)
}

// Lock takes the lock that a file stands for, and makes the file if need be. The lock goes
// when the file is closed or the process ends, however it ends. ErrLocked when it is taken.
func Lock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Read reads a file, unless others could, too: ErrExposed.
func Read(path string) ([]byte, error) {
	if err := exposed(path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// Write writes a file that only this user can read. It is there whole or not at all,
// and on disk before anything depends on it.
func Write(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	if err = guard(f.Name()); err == nil {
		_, err = f.WriteString(text)
	}
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(filepath.Dir(path))
}
