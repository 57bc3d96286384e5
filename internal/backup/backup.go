// Package backup is the file of a backup: a tar of the files of a data directory, under their names there, the database
// last. It protects one invariant: whatever file is read, only regular members with these names, once each and of bounded
// size, come out of it, and nothing in it chooses a path. It opens no database and judges no content.
package backup

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// The members.
const (
	Issuer   = "issuer"
	Secret   = "root-secret"
	Database = "mintmark.db"
)

const (
	maxText     = 64 << 10
	maxDatabase = 1 << 40
)

// ErrArchive says that a file is no whole backup of mintmark.
var ErrArchive = errors.New("not a backup of mintmark, or damaged")

// Texts are the members beside the database.
type Texts struct {
	Issuer string
	Secret string // "" if it is kept elsewhere
}

// Write writes a backup made at now, with a database of that size.
func Write(w io.Writer, texts Texts, database io.Reader, size int64, now time.Time) error {
	archive := tar.NewWriter(w)
	for _, member := range []struct{ name, text string }{{Issuer, texts.Issuer}, {Secret, texts.Secret}} {
		if member.text == "" {
			continue
		}
		if err := add(archive, member.name, strings.NewReader(member.text+"\n"), int64(len(member.text)+1), now); err != nil {
			return err
		}
	}
	if err := add(archive, Database, database, size, now); err != nil {
		return err
	}
	return archive.Close()
}

func add(archive *tar.Writer, name string, content io.Reader, size int64, now time.Time) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: size, ModTime: now.Truncate(time.Second)}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(archive, content)
	return err
}

// Read reads a backup, and the database into the writer. ErrArchive; the database may have been written in part then.
func Read(r io.Reader, database io.Writer) (Texts, error) {
	var texts Texts
	archive := tar.NewReader(r)
	for seen := map[string]bool{}; ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return Texts{}, fmt.Errorf("%w: it has no %s", ErrArchive, Database)
		}
		if err != nil {
			return Texts{}, unreadable(err)
		}
		if fault := judge(header, seen); fault != "" {
			return Texts{}, fmt.Errorf("%w: member %q %s", ErrArchive, cut(header.Name), fault)
		}
		seen[header.Name] = true
		if header.Name == Database {
			return readDatabase(archive, texts, database)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			return Texts{}, unreadable(err)
		}
		*map[string]*string{Issuer: &texts.Issuer, Secret: &texts.Secret}[header.Name] = strings.TrimSpace(string(text))
	}
}

// judge says what is wrong with a member, or "".
func judge(header *tar.Header, seen map[string]bool) string {
	most, known := map[string]int64{Issuer: maxText, Secret: maxText, Database: maxDatabase}[header.Name]
	switch {
	case !known:
		return "has no name that backups have"
	case header.Typeflag != tar.TypeReg || header.Linkname != "":
		return "is no regular file"
	case seen[header.Name]:
		return "is there twice"
	case header.Size <= 0 || header.Size > most:
		return fmt.Sprintf("has %d bytes, and may have %d", header.Size, most)
	}
	for record := range header.PAXRecords { // a sparse file would be as large as it claims
		switch record {
		case "size", "mtime", "atime", "ctime":
		default:
			return "has properties that backups don't have"
		}
	}
	return ""
}

// readDatabase reads the last member.
func readDatabase(archive *tar.Reader, texts Texts, database io.Writer) (Texts, error) {
	if texts.Issuer == "" {
		return Texts{}, fmt.Errorf("%w: it has no %s before its %s", ErrArchive, Issuer, Database)
	}
	if _, err := io.Copy(toWrite{database}, archive); err != nil {
		if failed, ok := errors.AsType[*writeError](err); ok {
			return Texts{}, failed.err
		}
		return Texts{}, unreadable(err)
	}
	switch header, err := archive.Next(); {
	case err == nil:
		return Texts{}, fmt.Errorf("%w: member %q comes after %s", ErrArchive, cut(header.Name), Database)
	case !errors.Is(err, io.EOF):
		return Texts{}, unreadable(err)
	}
	return texts, nil
}

// toWrite distinguishes a failure to write from one to read.
type toWrite struct{ io.Writer }

type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }

func (w toWrite) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		return n, &writeError{err}
	}
	return n, nil
}

func unreadable(err error) error { return fmt.Errorf("%w: %w", ErrArchive, err) }

func cut(name string) string { return name[:min(len(name), 64)] }
