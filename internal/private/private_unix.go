//go:build unix

package private

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

func makeFolder(path string) error { return os.Mkdir(path, 0o700) }

// open opens a file of ours to read and write; what it makes is this user's only. It follows no link, and waits for
// nobody who would open a pipe.
func open(path string, how int) (*os.File, error) { return openOurs(path, os.O_RDWR|how) }

func openToRead(path string) (*os.File, error) { return openOurs(path, os.O_RDONLY) }

func openOurs(path string, how int) (*os.File, error) {
	file, err := os.OpenFile(path, how|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, orLink(path, err)
	}
	if err := factsOf(file, func(f facts) error { return judgeFile(f, thisUser()) }); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// orLink says what stands in the place of a file that could not be opened, if that is no file.
func orLink(path string, err error) error {
	info, found := os.Lstat(path)
	if found != nil || info.Mode().IsRegular() {
		return err
	}
	return check(path)
}

func check(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	f := factsFrom(path, info)
	if info.Mode()&os.ModeSymlink != 0 {
		to, _ := os.Readlink(path) // for people
		return f.refuse(ErrForeign, "look at what put it there, then `rm "+path+"`", "it is a link to %q, and links are not followed", to)
	}
	return judgeFile(f, thisUser())
}

func thisUser() user {
	groups, _ := os.Getgroups() // then this process is in fewer
	return user{uid: os.Geteuid(), groups: append(groups, os.Getegid())}
}

func factsFrom(path string, info os.FileInfo) facts {
	f := facts{path: path, mode: info.Mode(), uid: -1, gid: -1}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		f.uid, f.gid, f.links = int(stat.Uid), int(stat.Gid), int(stat.Nlink)
	}
	return f
}

func factsOf(file *os.File, judge func(facts) error) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return judge(factsFrom(file.Name(), info))
}

func checkFolder(path string) (warning string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	return judgeFolder(factsFrom(path, info), thisUser())
}

func guard(path string) error {
	if err := check(path); err != nil {
		return err
	}
	return os.Chmod(path, 0o600)
}

func exposed(file *os.File) error { return factsOf(file, judgeSecret) }

func checkNamed(file *os.File) (warning *Refusal, err error) {
	err = factsOf(file, func(f facts) (err error) {
		if !f.mode.IsRegular() {
			return nil
		}
		if warning, err = judgeNamed(f, thisUser()); err != nil {
			return err
		}
		return checkAbove(f.path)
	})
	return warning, err
}

// checkAbove looks at the folder in which a file was named, and the one in which it is.
func checkAbove(path string) error {
	at, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	for _, folder := range []string{filepath.Dir(path), filepath.Dir(at)} {
		info, err := os.Stat(folder)
		if err == nil {
			err = judgeAbove(factsFrom(folder, info), thisUser())
		}
		if err != nil {
			return err
		}
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
