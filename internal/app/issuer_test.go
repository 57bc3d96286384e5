package app_test

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/keyring"
)

// open opens an embedded authority on free ports and returns its issuer.
func open(t *testing.T, settings ...string) (string, error) {
	t.Helper()
	cfg, err := config.Load(nil, append([]string{"MINTMARK_HTTP_ADDR=127.0.0.1:0", "MINTMARK_OPS_ADDR=127.0.0.1:0"}, settings...), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Open(t.Context(), cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		return "", err
	}
	defer a.Close()
	info, err := a.Info(t.Context())
	return info.Issuer, err
}

func TestDataDirectoryKeepsItsIssuer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := "MINTMARK_DATA_DIR=" + dir
	first, err := open(t, data)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := open(t, data); err != nil || again != first {
		t.Errorf("on another port: %q, %v; want %q", again, err, first)
	}
	if _, err := open(t, data, "MINTMARK_ISSUER=http://localhost:1"); !errors.Is(err, keyring.ErrUnsealable) {
		t.Errorf("another issuer that was set: %v, want ErrUnsealable", err)
	}
	if again, err := open(t, data); err != nil || again != first {
		t.Errorf("after that: %q, %v; want %q", again, err, first)
	}
}

func TestOnlyAnIssuerThatOpensTheKeysIsRemembered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := "MINTMARK_DATA_DIR=" + dir
	first, err := open(t, data)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "issuer")); err != nil { // a backup without it
		t.Fatal(err)
	}
	if _, err := open(t, data); !errors.Is(err, keyring.ErrUnsealable) {
		t.Errorf("on another port: %v, want ErrUnsealable", err)
	}
	if again, err := open(t, data, "MINTMARK_ISSUER="+first); err != nil || again != first {
		t.Errorf("with the right one: %q, %v; want %q", again, err, first)
	}
}

func TestDamagedIssuerFileIsRefusedOrIgnored(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{"": nil, "\n": nil, "javascript:alert(1)": app.ErrDataDir, "http://localhost:1/path": app.ErrDataDir} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "issuer"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if issuer, err := open(t, "MINTMARK_DATA_DIR="+dir); !errors.Is(err, want) || (issuer == "") == (want == nil) {
			t.Errorf("%q: got issuer %q, %v; want %v", text, issuer, err, want)
		}
	}
}

// TestASecretThatOthersCanReadIsNotSaidToBeUnreadable: more access is what it needs least.
func TestASecretThatOthersCanReadIsNotSaidToBeUnreadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := "MINTMARK_DATA_DIR=" + dir
	if _, err := open(t, data); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "root-secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, data); !errors.Is(err, app.ErrRootSecret) || strings.Contains(err.Error(), "give this user") {
		t.Errorf("got %v", err)
	}
}
