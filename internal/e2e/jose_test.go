package e2e_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// joseLock is what the lock file says of jose.
type joseLock struct {
	Version   string `json:"version"`
	Integrity string `json:"integrity"`
}

// lockedJose reads the lock file. The package lies beside it as its authors publish it, under its own
// licence, so that the tests need Node.js alone: neither npm nor a network. For another version, change
// package.json, then run `npm pack jose@VERSION` and `npm install --package-lock-only` there.
func lockedJose(t *testing.T) joseLock {
	t.Helper()
	text, err := os.ReadFile("testdata/node/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]joseLock `json:"packages"`
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		t.Fatal(err)
	}
	return lock.Packages["node_modules/jose"]
}

// installJose puts the library that the Node page asks for beside the page's files.
func installJose(t *testing.T, folder string) {
	t.Helper()
	lock := lockedJose(t)
	packed, err := os.ReadFile("testdata/node/jose-" + lock.Version + ".tgz")
	if err != nil {
		t.Fatal(err)
	}
	hash := sha512.Sum512(packed)
	if got := "sha512-" + base64.StdEncoding.EncodeToString(hash[:]); got != lock.Integrity {
		t.Fatalf("jose-%s.tgz has %s, the lock file wants %s", lock.Version, got, lock.Integrity)
	}
	if err := unpack(bytes.NewReader(packed), filepath.Join(folder, "node_modules", "jose")); err != nil {
		t.Fatal(err)
	}
}

// unpack writes the files of a package into a folder. All of them are in one folder of the archive.
func unpack(packed io.Reader, folder string) error {
	plain, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	for files := tar.NewReader(plain); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		_, name, _ := strings.Cut(header.Name, "/")
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%s leads out of the folder", header.Name)
		}
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		text, err := io.ReadAll(files)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
	}
}

// TestTheNodePageNamesTheVersionThatIsTested keeps the page, the package and its lock together.
func TestTheNodePageNamesTheVersionThatIsTested(t *testing.T) {
	t.Parallel()
	wanted, err := os.ReadFile("testdata/node/package.json")
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(recipePage(t, "node.md"), "npm install jose@")
	version, _, _ = strings.Cut(version, "`")
	if version == "" || !strings.Contains(string(wanted), `"jose": "`+version+`"`) || version != lockedJose(t).Version {
		t.Errorf("the page says jose@%s, the lock %s, package.json\n%s", version, lockedJose(t).Version, wanted)
	}
}
