package private

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// guard lets this user, the system and the administrators at a file or folder, and at what will be
// made in it, and nobody else: what the folder above would let in counts no more.
func guard(path string) error {
	user, err := thisUser()
	if err != nil {
		return err
	}
	wanted, err := windows.SecurityDescriptorFromString(fmt.Sprintf("D:P(A;OICI;FA;;;%s)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)", user))
	if err != nil {
		return fmt.Errorf("describe who may read %s: %w", path, err)
	}
	list, _, err := wanted.DACL()
	if err != nil {
		return fmt.Errorf("describe who may read %s: %w", path, err)
	}
	err = windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, list, nil)
	if err != nil {
		return &os.PathError{Op: "set access of", Path: path, Err: err}
	}
	return nil
}

// exposed refuses a file whose access control list lets anybody else in, for whatever: who may only write to it
// or change the list is as good as a reader.
func exposed(path string) error {
	if _, err := os.Stat(path); err != nil {
		return err // fs.ErrNotExist among them
	}
	user, err := thisUser()
	if err != nil {
		return err
	}
	found, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return &os.PathError{Op: "get access of", Path: path, Err: err}
	}
	refused := fmt.Errorf("%s %w; run `icacls \"%s\" /inheritance:r /grant:r \"%%USERNAME%%:F\"`", path, ErrExposed, path)
	list, _, err := found.DACL()
	if err != nil || list == nil { // a file without a list is everybody's
		return errors.Join(refused, err)
	}
	for i := range uint32(list.AceCount) {
		var entry *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(list, i, &entry); err != nil {
			return &os.PathError{Op: "get access of", Path: path, Err: err}
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
