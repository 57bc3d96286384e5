// Package private protects files from other users of the machine, and a folder from other processes: with modes and
// flock on Unix, with access control lists and LockFileEx on Windows. It protects one invariant: a file that it has
// written or read can be read only by this user and by those who can read every file (root; on Windows the system and
// the administrators). What it opens by itself is a regular file with one name, of this user or root, and was reached
// through no link (rules.go). It does not interpret the files, and does not look at the folders above the one it is given.
package private

import (
	"crypto/rand"
	"errors"
	"io"
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

// MakeFolder makes a folder that only this user can enter, and those above it as need be. One that exists stays as it
// is. It is refused if somebody else could put files there (ErrForeign); the warning says that a group could.
func MakeFolder(path string) (warning string, err error) {
	path = filepath.Clean(path)
	if err := makeMissing(path); err != nil {
		return "", err
	}
	return CheckFolder(path)
}

func makeMissing(path string) error {
	_, err := os.Stat(path)
	if isNew := errors.Is(err, fs.ErrNotExist); !isNew {
		return os.MkdirAll(path, 0o700) // nothing, or the error of a path that is no folder
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := makeFolder(path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.MkdirAll(path, 0o700) // another process made it meanwhile
}

// CheckFolder looks at a folder that exists, like [MakeFolder].
func CheckFolder(path string) (warning string, err error) { return checkFolder(path) }

// Lock takes the lock that a file stands for, and makes the file if need be. The lock goes
// when the file is closed or the process ends, however it ends. ErrLocked when it is taken, ErrForeign.
func Lock(path string) (*os.File, error) {
	file, err := open(path, os.O_CREATE)
	if err != nil {
		return nil, err
	}
	if err := lock(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Make makes an empty file that only this user can read. One that exists stays as it is and, as by [Check], is not
// opened. ErrForeign.
func Make(path string) error {
	file, err := Create(path)
	if errors.Is(err, fs.ErrExist) {
		return Check(path)
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// Create makes a file that only this user can read, to write to. fs.ErrExist if there is one.
func Create(path string) (*os.File, error) { return open(path, os.O_CREATE|os.O_EXCL) }

// Publish gives a finished file its name, unless something has that name: fs.ErrExist. A link is made in one step that
// replaces nothing, which a rename would.
func Publish(file, name string) error {
	if err := os.Link(file, name); err != nil {
		return err
	}
	return errors.Join(os.Remove(file), syncFolder(filepath.Dir(name)))
}

// Move renames a file, and has the folder know it after a power cut.
func Move(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(to))
}

// Check looks at a file that exists, and opens none: whoever closes a file of SQLite's takes from their process all
// locks that SQLite has on it. ErrForeign.
func Check(path string) error { return check(path) }

// CheckBeside looks at the files that a program keeps beside path under its name and an ending, if they exist. ErrForeign.
func CheckBeside(path string, endings ...string) error {
	for _, ending := range endings {
		if err := Check(path + ending); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Guard has a file that exists be read by this user only. Like [Check], it opens none. ErrForeign.
func Guard(path string) error { return guard(path) }

// Read reads a file, unless others could, too: ErrExposed, or ErrForeign. It looks at the file that it has opened,
// whatever becomes of the path. Clear what it returns after use.
func Read(path string) ([]byte, error) { return read(path, exposed) }

// ReadPublic reads a file that others may read. ErrForeign.
func ReadPublic(path string) ([]byte, error) {
	return read(path, func(*os.File) error { return nil })
}

// maxFile bounds what is read of a file.
const maxFile = 64 << 10

func read(path string, check func(*os.File) error) ([]byte, error) {
	file, err := openToRead(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() // it was only read
	if err := check(file); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(file, maxFile))
}

// CheckNamed looks at an open file that the user has named, and at the folders that its name leads through last. It
// returns a Refusal of kind ErrForeign if others could write to it or replace it, and a warning if they could read it.
func CheckNamed(file *os.File) (warning *Refusal, err error) { return checkNamed(file) }

// Write writes a file that only this user can read. It is there whole or not at all,
// and on disk before anything depends on it.
func Write(path, text string) error {
	f, err := open(path+"."+rand.Text(), os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(filepath.Dir(path))
}
