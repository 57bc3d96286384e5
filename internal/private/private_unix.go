//go:build unix

package private

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

func makeFolder(path string) error { return os.Mkdir(path, 0o700) }

// open opens a file to read and write; what it makes is this user's only.
func open(path string, how int) (*os.File, error) { return os.OpenFile(path, os.O_RDWR|how, 0o600) }

func guard(path string) error { return os.Chmod(path, 0o600) }

func exposed(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s %w (mode %04o); run `chmod 600 %s`", file.Name(), ErrExposed, info.Mode().Perm(), file.Name())
	}
	return nil
}

func lock(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// syncFolder has the folder know its files after a power cut.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
