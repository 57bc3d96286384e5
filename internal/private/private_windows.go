package private

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// descriptor lets this user, the system and the administrators at a file or folder, and at what will be
// made in it, and nobody else: what the folder above would let in counts no more.
func descriptor() (*windows.SECURITY_DESCRIPTOR, error) {
	user, err := thisUser()
	if err != nil {
		return nil, err
	}
	wanted, err := windows.SecurityDescriptorFromString(fmt.Sprintf("D:P(A;OICI;FA;;;%s)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)", user))
	if err != nil {
		return nil, fmt.Errorf("describe who may read: %w", err)
	}
	return wanted, nil
}

// attributes are what a file or folder is made with, so that there is no moment at which others can open it.
func attributes() (*windows.SecurityAttributes, error) {
	wanted, err := descriptor()
	if err != nil {
		return nil, err
	}
	made := &windows.SecurityAttributes{SecurityDescriptor: wanted}
	made.Length = uint32(unsafe.Sizeof(*made))
	return made, nil
}

func makeFolder(path string) error {
	as, err := attributes()
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(path)
	if err == nil {
		err = windows.CreateDirectory(name, as)
	}
	if err != nil {
		return &os.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return nil
}

// ours refuses what is no regular file, such as a link.
func ours(path string) error {
	info, err := os.Lstat(path)
	if err == nil && !info.Mode().IsRegular() {
		return &Refusal{Path: path, What: "it is no regular file", Mend: "look at what put it there, and remove it", kind: ErrForeign}
	}
	return nil // or whatever opening it says
}

func check(path string) error {
	if _, err := os.Lstat(path); err != nil {
		return err
	}
	return ours(path)
}

func openToRead(path string) (*os.File, error) {
	if err := ours(path); err != nil {
		return nil, err
	}
	return os.Open(path)
}

// checkFolder leaves a folder as it is: what is made in it has a list of its own, and what is read from it is looked at.
func checkFolder(path string) (warning string, err error) {
	_, err = os.Stat(path)
	return "", err
}

// checkNamed warns of a file that others have any access to.
func checkNamed(file *os.File) (warning *Refusal, err error) {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	if err := exposed(file); err != nil {
		return &Refusal{Path: file.Name(), What: err.Error(), Mend: "do so", kind: ErrExposed}, nil
	}
	return nil, nil
}

// open opens a file to read and write; what it makes is this user's only.
func open(path string, how int) (*os.File, error) {
	if err := ours(path); err != nil {
		return nil, err
	}
	as, err := attributes()
	if err != nil {
		return nil, err
	}
	mode := uint32(windows.OPEN_EXISTING)
	switch {
	case how&os.O_EXCL != 0:
		mode = windows.CREATE_NEW
	case how&os.O_CREATE != 0:
		mode = windows.OPEN_ALWAYS
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	file, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE,
		windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE, as, mode, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(file), path), nil
}

func guard(path string) error {
	if err := ours(path); err != nil {
		return err
	}
	wanted, err := descriptor()
	if err != nil {
		return err
	}
	list, _, err := wanted.DACL()
	if err == nil {
		err = windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT,
			windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, list, nil)
	}
	if err != nil {
		return &os.PathError{Op: "set access of", Path: path, Err: err}
	}
	return nil
}

// exposed refuses a file that belongs to another user, or whose access control list gives any
// access to others: a user who may write to it or change the list could also read it.
func exposed(file *os.File) error {
	user, err := thisUser()
	if err != nil {
		return err
	}
	found, err := windows.GetSecurityInfo(windows.Handle(file.Fd()), windows.SE_FILE_OBJECT,
		windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return &os.PathError{Op: "get access of", Path: file.Name(), Err: err}
	}
	owner, _, err := found.Owner()
	if err != nil || owner == nil || !trusted(owner, user) {
		return errors.Join(fmt.Errorf("%s %w: it belongs to another user; run `icacls \"%[1]s\" /setowner \"*%[3]s\"` as an administrator",
			file.Name(), ErrExposed, user), err)
	}
	refused := fmt.Errorf("%s %w; run `icacls \"%[1]s\" /reset`, then `icacls \"%[1]s\" /inheritance:r /grant:r \"*%[3]s:F\"`",
		file.Name(), ErrExposed, user)
	list, _, err := found.DACL()
	if err != nil || list == nil { // a file without a list is open to every user
		return errors.Join(refused, err)
	}
	for i := range uint32(list.AceCount) {
		var entry *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(list, i, &entry); err != nil {
			return &os.PathError{Op: "get access of", Path: file.Name(), Err: err}
		}
		switch entry.Header.AceType {
		case windows.ACCESS_DENIED_ACE_TYPE:
		case windows.ACCESS_ALLOWED_ACE_TYPE:
			if who := (*windows.SID)(unsafe.Pointer(&entry.SidStart)); !trusted(who, user) {
				return refused
			}
		default: // a kind of entry that we don't read
			return refused
		}
	}
	return nil
}

func trusted(who, user *windows.SID) bool {
	return who.Equals(user) || who.IsWellKnown(windows.WinLocalSystemSid) || who.IsWellKnown(windows.WinBuiltinAdministratorsSid)
}

func thisUser() (*windows.SID, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, fmt.Errorf("find out which user this is: %w", err)
	}
	return user.User.Sid, nil
}

func lock(file *os.File) error {
	const all = ^uint32(0)
	err := windows.LockFileEx(windows.Handle(file.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, all, all, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrLocked
	}
	return err
}

// syncFolder has nothing to do: NTFS keeps a log of its folders, and doesn't let one be flushed.
func syncFolder(string) error { return nil }
