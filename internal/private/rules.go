package private

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// ErrForeign says that a file or folder is not this user's alone to change, or is none.
var ErrForeign = errors.New("is not safe to use")

// Refusal says why a file or folder is not used, and how to mend it.
type Refusal struct {
	Path string
	What string // with its owner and mode
	Mend string
	kind error // ErrForeign or ErrExposed
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%s %v: %s; %s", r.Path, r.kind, r.What, r.Mend)
}

func (r *Refusal) Unwrap() error { return r.kind }

// facts are what is known of an open file or folder on Unix.
type facts struct {
	path  string
	mode  fs.FileMode
	uid   int
	gid   int
	links int
}

// user is who runs this process.
type user struct {
	uid    int
	groups []int
}

func (f facts) refuse(kind error, mend, format string, args ...any) error {
	return &Refusal{
		Path: f.path, Mend: mend, kind: kind,
		What: fmt.Sprintf(format, args...) + fmt.Sprintf(" (owner %d, group %d, mode %04o)", f.uid, f.gid, modeBits(f.mode)),
	}
}

// modeBits are the permissions as chmod writes them.
func modeBits(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	for flag, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&flag != 0 {
			bits |= bit
		}
	}
	return bits
}

func (u user) owns(f facts) bool { return f.uid == u.uid || f.uid == 0 }

// judgeFolder refuses a folder in which somebody else could put or replace files: its owner is this user or root, and
// of the others only a group of this user's may write, which is worth a warning (a volume of Kubernetes is root's, and
// its fsGroup may write). The folders above are not looked at.
func judgeFolder(f facts, u user) (warning string, err error) {
	switch {
	case !f.mode.IsDir():
		return "", f.refuse(ErrForeign, "name a folder", "it is no folder")
	case !u.owns(f):
		return "", f.refuse(ErrForeign, fmt.Sprintf("run this as user %d, or `chown %d %s`", f.uid, u.uid, f.path), "it belongs to another user")
	case f.mode&0o002 != 0:
		return "", f.refuse(ErrForeign, fmt.Sprintf("run `chmod o-w %s`", f.path), "every user can put files there")
	case f.mode&0o020 == 0:
		return "", nil
	case !slices.Contains(u.groups, f.gid):
		return "", f.refuse(ErrForeign, fmt.Sprintf("run `chmod g-w %s`", f.path), "a group that this user is not in can put files there")
	}
	return fmt.Sprintf("%s: everybody in group %d can replace its files; run `chmod g-w %[1]s` unless that group is this user's alone", f.path, f.gid), nil
}

// judgeFile refuses what is no regular file, has a second name, or belongs to or can be written by somebody else.
func judgeFile(f facts, u user) error {
	switch {
	case f.mode.IsDir():
		return f.refuse(ErrForeign, "name a file", "it is a folder")
	case !f.mode.IsRegular():
		return f.refuse(ErrForeign, fmt.Sprintf("look at what put it there, then `rm %s`", f.path), "it is no regular file")
	case !u.owns(f):
		return f.refuse(ErrForeign, fmt.Sprintf("run this as user %d, or look at what is in it, then `chown %d %s`", f.uid, u.uid, f.path), "it belongs to another user")
	case f.links > 1:
		return f.refuse(ErrForeign, fmt.Sprintf("run `cp -p %s %[1]s.new && mv %[1]s.new %[1]s`", f.path), "it has %d names, and is changed under each", f.links)
	case f.mode&0o002 != 0, f.mode&0o020 != 0 && !slices.Contains(u.groups, f.gid):
		return f.refuse(foreignAndExposed{}, fmt.Sprintf("look at what is in it, then run `chmod 600 %s`", f.path), "others can write to it")
	}
	return nil
}

// foreignAndExposed is the kind of a file that others can write to: they could also let themselves read it.
type foreignAndExposed struct{}

func (foreignAndExposed) Error() string        { return ErrForeign.Error() }
func (foreignAndExposed) Is(target error) bool { return target == ErrForeign || target == ErrExposed }

// judgeSecret refuses a file that others have any right to.
func judgeSecret(f facts) error {
	if f.mode.Perm()&0o077 != 0 {
		return f.refuse(ErrExposed, fmt.Sprintf("run `chmod 600 %s`", f.path), "others have access")
	}
	return nil
}

// judgeNamed refuses a file that the user has named, perhaps by way of links, if somebody else could write to it, and
// warns if somebody else could read it. What is no regular file, such as a pipe, is between the user and its writer. An
// owner who took their own right to write counts as a reader: so Docker shows files of the host.
func judgeNamed(f facts, u user) (warning *Refusal, err error) {
	others := "o"
	if f.mode&0o070 != 0 {
		others = "go"
	}
	switch {
	case !f.mode.IsRegular():
		return nil, nil
	case !u.owns(f) && f.mode&0o200 != 0:
		return nil, f.refuse(ErrForeign, fmt.Sprintf("run `chown %d %s`", u.uid, f.path), "another user, its owner, can write to it")
	case f.mode&0o022 != 0:
		return nil, f.refuse(ErrForeign, fmt.Sprintf("look at what is in it, then `chmod go-w %s`", f.path), "others can write to it")
	case f.mode&0o004 != 0, f.mode&0o040 != 0 && !slices.Contains(u.groups, f.gid), !u.owns(f):
		mend := fmt.Sprintf("run `chmod %s-rwx %s`", others, f.path)
		errors.As(f.refuse(ErrExposed, mend, "others can read it"), &warning)
	}
	return warning, nil
}

// judgeAbove refuses the folder of such a file if somebody else could put another file in its place. Where only owners
// may (as in /tmp, and where Kubernetes shows secrets), nobody else can.
func judgeAbove(f facts, u user) error {
	switch {
	case !u.owns(f) && f.mode&0o200 != 0:
		return f.refuse(ErrForeign, fmt.Sprintf("keep the file elsewhere, or run `chown %d %s`", u.uid, f.path), "another user, its owner, can replace the file in it")
	case f.mode&fs.ModeSticky != 0:
		return nil
	case f.mode&0o002 != 0, f.mode&0o020 != 0 && !slices.Contains(u.groups, f.gid):
		return f.refuse(ErrForeign, fmt.Sprintf("keep the file elsewhere, or run `chmod go-w %s`", f.path), "others can replace the file in it")
	}
	return nil
}
