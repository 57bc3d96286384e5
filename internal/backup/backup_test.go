package backup_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/backup"
)

var texts = backup.Texts{Issuer: "http://localhost:8080", Secret: "1:c2VjcmV0"}

func written(t testing.TB, texts backup.Texts) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := backup.Write(&file, texts, strings.NewReader("database"), 8, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	t.Parallel()
	for _, want := range []backup.Texts{texts, {Issuer: texts.Issuer}} {
		var database bytes.Buffer
		got, err := backup.Read(bytes.NewReader(written(t, want)), &database)
		if got != want || database.String() != "database" || err != nil {
			t.Errorf("got %v, %q, %v, want %v", got, &database, err, want)
		}
	}
}

// member is one of a hostile tar.
type member struct {
	tar.Header
	content string
}

func regular(name, content string) member {
	return member{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(content))}, content}
}

func archive(t testing.TB, members ...member) []byte {
	t.Helper()
	var file bytes.Buffer
	w := tar.NewWriter(&file)
	for _, m := range members {
		if err := w.WriteHeader(&m.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func hostile(t testing.TB) map[string][]byte {
	issuer, database := regular(backup.Issuer, "i"), regular(backup.Database, "d")
	special := func(kind byte) member {
		return member{tar.Header{Typeflag: kind, Name: backup.Secret, Linkname: map[bool]string{true: "/etc/passwd"}[kind == tar.TypeLink || kind == tar.TypeSymlink]}, ""}
	}
	contiguous := regular(backup.Secret, "s")
	contiguous.Typeflag = tar.TypeCont
	records := regular(backup.Database, "d")
	records.PAXRecords = map[string]string{"SCHILY.xattr.user.x": "y"}
	whole := written(t, texts)
	return map[string][]byte{
		"nothing":               {},
		"no tar":                []byte(strings.Repeat("x", 2048)),
		"an empty tar":          archive(t),
		"no database":           archive(t, issuer),
		"no issuer":             archive(t, database),
		"the issuer is last":    archive(t, database, issuer),
		"another name":          archive(t, regular("lock", "x"), issuer, database),
		"a path above":          archive(t, regular("../issuer", "i"), database),
		"an absolute path":      archive(t, regular("/issuer", "i"), database),
		"a path here":           archive(t, regular("./issuer", "i"), database),
		"a path in a folder":    archive(t, regular("x/issuer", "i"), database),
		"another spelling":      archive(t, regular("Issuer", "i"), database),
		"a name with a zero":    archive(t, regular(`issuer\`, "i"), database),
		"one twice":             archive(t, issuer, issuer, database),
		"the database twice":    archive(t, issuer, database, database),
		"an empty issuer":       archive(t, regular(backup.Issuer, ""), database),
		"a blank issuer":        archive(t, regular(backup.Issuer, " \n"), database),
		"an empty database":     archive(t, issuer, regular(backup.Database, "")),
		"an issuer too long":    archive(t, regular(backup.Issuer, strings.Repeat("x", 64<<10+1)), database),
		"a symbolic link":       archive(t, issuer, special(tar.TypeSymlink), database),
		"a hard link":           archive(t, issuer, special(tar.TypeLink), database),
		"a folder":              archive(t, issuer, special(tar.TypeDir), database),
		"a pipe":                archive(t, issuer, special(tar.TypeFifo), database),
		"a device":              archive(t, issuer, special(tar.TypeChar), database),
		"a kind with content":   archive(t, issuer, contiguous, database),
		"attributes":            archive(t, issuer, records),
		"a tail that is no tar": append(archive(t, issuer, database)[:2048], bytes.Repeat([]byte("x"), 1024)...),
		"cut in the database":   whole[:len(whole)-1024-512+3],
		"cut in a header":       whole[:600],
	}
}

func TestAFileThatIsNoBackupIsRefused(t *testing.T) {
	t.Parallel()
	for name, file := range hostile(t) {
		got, err := backup.Read(bytes.NewReader(file), io.Discard)
		if !errors.Is(err, backup.ErrArchive) || got != (backup.Texts{}) {
			t.Errorf("%s: got %v, %v, want ErrArchive", name, got, err)
		}
	}
}

// A sparse member claims a terabyte and is a few bytes.
func TestAFileThatOnlyClaimsItsSizeIsRefused(t *testing.T) {
	t.Parallel()
	pax := "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n31 GNU.sparse.name=mintmark.db\n33 GNU.sparse.realsize=999999999\n"
	head := func(kind byte, name, content string) []byte {
		block := archive(t, regular(name, content))
		block = block[:len(block)-1024]
		block[156] = kind
		sum := 0
		for i, b := range block[:512] {
			if i >= 148 && i < 156 {
				b = ' '
			}
			sum += int(b)
		}
		copy(block[148:156], []byte{'0' + byte(sum>>15&7), '0' + byte(sum>>12&7), '0' + byte(sum>>9&7), '0' + byte(sum>>6&7), '0' + byte(sum>>3&7), '0' + byte(sum&7), 0, ' '})
		return block
	}
	issuer := archive(t, regular(backup.Issuer, "i"))
	file := bytes.Join([][]byte{
		issuer[:len(issuer)-1024], head('x', "PaxHeaders/x", pax), head('0', "GNUSparseFile.0/x", "1\n999999998\n1\n"+strings.Repeat("\x00", 512-14)+"d"), make([]byte, 1024),
	}, nil)
	var got count
	_, err := backup.Read(bytes.NewReader(file), &got)
	if !errors.Is(err, backup.ErrArchive) || got != 0 || !strings.Contains(err.Error(), "properties") {
		t.Errorf("got %v after %d bytes, want ErrArchive because of its properties", err, got)
	}
}

type count int

func (c *count) Write(p []byte) (int, error) {
	*c += count(len(p))
	return len(p), nil
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestAFullDiskIsNotADamagedBackup(t *testing.T) {
	t.Parallel()
	if _, err := backup.Read(bytes.NewReader(written(t, texts)), full{}); !errors.Is(err, io.ErrShortWrite) || errors.Is(err, backup.ErrArchive) {
		t.Errorf("got %v, want what the disk said", err)
	}
}

// FuzzRead: nothing that is read is larger than the file, and what is refused leaves no texts.
func FuzzRead(f *testing.F) {
	f.Add(written(f, texts))
	for _, file := range hostile(f) {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		var database count
		got, err := backup.Read(bytes.NewReader(file), &database)
		if int(database)+len(got.Issuer)+len(got.Secret) > len(file) {
			t.Errorf("%d bytes came out of %d", database, len(file))
		}
		if err != nil && got != (backup.Texts{}) || err == nil && (got.Issuer == "" || database == 0) {
			t.Errorf("got %v, %d bytes, %v", got, database, err)
		}
	})
}
