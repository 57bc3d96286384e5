//go:build unix

package private

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// guard has nothing to do: files and folders are made with a mode.
func guard(string) error { return nil }

func exposed(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s %w (mode %04o); run `chmod 600 %s`", path, ErrExposed, info.Mode().Perm(), path)
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
