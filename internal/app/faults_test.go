package app_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/config"
)

func TestALostDatabaseIsNotReplacedByAnEmptyOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := "MINTMARK_DATA_DIR=" + dir
	if _, err := open(t, data); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "mintmark.db")
	for name, lose := range map[string]func() error{
		"missing": func() error { return os.Remove(file) },
		"empty":   func() error { return os.WriteFile(file, nil, 0o600) },
	} {
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, data); !errors.Is(err, app.ErrDataDir) || !strings.Contains(err.Error(), "remove root-secret and issuer") {
			t.Errorf("%s: got %v, want ErrDataDir and how to begin anew", name, err)
		}
		cfg, err := config.Load(nil, []string{data}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := app.Migrations(cfg); !errors.Is(err, app.ErrDataDir) {
			t.Errorf("%s: migrations got %v, want ErrDataDir", name, err)
		}
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, "root-secret")), os.Remove(filepath.Join(dir, "issuer"))); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, data); err != nil {
		t.Errorf("begun anew: %v", err)
	}
}

func TestADamagedDatabaseIsReportedAsDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := "MINTMARK_DATA_DIR=" + dir
	if _, err := open(t, data); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mintmark.db"), []byte(strings.Repeat("garbage ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, data); !errors.Is(err, db.ErrUnusable) || !strings.Contains(err.Error(), "restore it from a backup") {
		t.Errorf("got %v, want ErrUnusable and how to mend it", err)
	}
}

func TestAListenerThatCannotOpenIsReportedWithItsRemedy(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for addr, want := range map[string]string{
		taken.Addr().String(): "stop what uses it, or set MINTMARK_OPS_ADDR",
		"192.0.2.1:1":         "no interface of this machine has that address", // TEST-NET-1 (RFC 5737 §3)
		"nowhere.invalid:1":   "set MINTMARK_OPS_ADDR to an address of this machine",
	} {
		_, err := open(t, "MINTMARK_DATA_DIR="+t.TempDir(), "MINTMARK_OPS_ADDR="+addr)
		if !errors.Is(err, app.ErrListen) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want ErrListen saying %q", addr, err, want)
		}
	}
}
