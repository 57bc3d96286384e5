package app_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/secret"
)

// opened is an authority in a directory, for a test that closes it.
func opened(t *testing.T, settings ...string) (*app.App, error) {
	t.Helper()
	return app.Open(t.Context(), load(t, settings...), slog.New(slog.DiscardHandler))
}

func load(t *testing.T, settings ...string) config.Config {
	t.Helper()
	cfg, err := config.Load(nil, append([]string{"MINTMARK_HTTP_ADDR=127.0.0.1:0", "MINTMARK_OPS_ADDR=127.0.0.1:0"}, settings...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestWhatCannotOpenLeavesNothingOpen: neither port is taken, and the directory can be served from.
func TestWhatCannotOpenLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	whole := t.TempDir()
	if _, err := open(t, "MINTMARK_DATA_DIR="+whole); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	for name, c := range map[string]struct {
		damage  func(t *testing.T, dir string)
		setting string
		want    error
	}{
		"the other port is taken":             {nil, "MINTMARK_OPS_ADDR=" + taken.Addr().String(), app.ErrListen},
		"the secret can be read by all":       {func(t *testing.T, dir string) { chmod(t, filepath.Join(dir, "root-secret"), 0o640) }, "", app.ErrRootSecret},
		"the secret can be written by all":    {func(t *testing.T, dir string) { chmod(t, filepath.Join(dir, "root-secret"), 0o602) }, "", app.ErrRootSecret},
		"the directory can be written by all": {func(t *testing.T, dir string) { chmod(t, dir, 0o777) }, "", app.ErrDataDir},
		"the secret is a link":                {func(t *testing.T, dir string) { link(t, filepath.Join(dir, "root-secret")) }, "", app.ErrRootSecret},
		"the issuer is a link":                {func(t *testing.T, dir string) { link(t, filepath.Join(dir, "issuer")) }, "", app.ErrDataDir},
		"the lock is a link":                  {func(t *testing.T, dir string) { link(t, filepath.Join(dir, "lock")) }, "", app.ErrDataDir},
		"the database is a link":              {func(t *testing.T, dir string) { link(t, filepath.Join(dir, "mintmark.db")) }, "", app.ErrDataDir},
		"the log is a link":                   {func(t *testing.T, dir string) { link(t, filepath.Join(dir, "mintmark.db-wal")) }, "", db.ErrUnusable},
		"the secret is none":                  {func(t *testing.T, dir string) { write(t, filepath.Join(dir, "root-secret"), "1:x") }, "", app.ErrRootSecret},
		"the secret is gone":                  {func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "root-secret")) }, "", app.ErrRootSecret},
		"the issuer is none":                  {func(t *testing.T, dir string) { write(t, filepath.Join(dir, "issuer"), "x") }, "", app.ErrDataDir},
		"the database is gone":                {func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "mintmark.db")) }, "", app.ErrDataDir},
		"the database is garbage": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "mintmark.db"), strings.Repeat("garbage ", 999))
		}, "", db.ErrUnusable},
		"the keys are another secret's": {nil, "MINTMARK_ROOT_SECRET=" + secret.GenerateRoots().Encode().Reveal(), keyring.ErrUnsealable},
		"the keys are another issuer's": {nil, "MINTMARK_ISSUER=http://localhost:1", keyring.ErrUnsealable},
		"the database is of a later time": {func(t *testing.T, dir string) {
			exec(t, dir, `INSERT INTO schema_compat VALUES (999, 999)`, `UPDATE schema_migrations SET version = 999`)
		}, "", db.ErrSchemaTooNew},
		"the database is half-migrated": {func(t *testing.T, dir string) { exec(t, dir, `UPDATE schema_migrations SET version = 1, dirty = 1`) }, "", db.ErrSchemaDirty},
		"the clients can't be read":     {func(t *testing.T, dir string) { exec(t, dir, `UPDATE clients SET grant_types = '[1]'`) }, "", app.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			chmod(t, filepath.Join(dir, "root-secret"), 0o600)
			if c.damage != nil {
				c.damage(t, dir)
			}
			settings := []string{"MINTMARK_DATA_DIR=" + dir}
			if c.setting != "" {
				settings = append(settings, c.setting)
			}
			if a, err := opened(t, settings...); a != nil || !errors.Is(err, c.want) {
				t.Errorf("opened: %v, %v; want %v", a != nil, err, c.want)
			}
			public, operations := app.OpenAndClose(t.Context(), load(t, settings...), slog.New(slog.DiscardHandler))
			for name, l := range map[string]net.Listener{"public": public, "operations": operations} {
				if l == nil {
					continue // which is the one that could not be opened
				}
				if err := l.(*net.TCPListener).SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
					t.Errorf("the %s listener is still open: %v", name, err)
				}
			}
			if _, release, err := app.Migrations(load(t, "MINTMARK_DATA_DIR="+dir)); errors.Is(err, app.ErrDataDirInUse) {
				t.Errorf("the directory is still in use: %v", err)
			} else if err == nil {
				release()
			}
		})
	}
}

// link moves a file, or an empty one if there is none, and has a link to it in its place.
func link(t *testing.T, file string) {
	t.Helper()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(file, elsewhere); errors.Is(err, fs.ErrNotExist) {
		write(t, elsewhere, "")
	} else if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, file); err != nil {
		t.Fatal(err)
	}
}

// TestNothingIsMadeThroughALinkThatLeadsNowhere: what a start writes could be another user's file.
func TestNothingIsMadeThroughALinkThatLeadsNowhere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"lock", "root-secret", "issuer", "mintmark.db", "mintmark.db-wal", "mintmark.db-shm", "mintmark.db-journal"} {
		dir, outside := t.TempDir(), t.TempDir()
		if err := os.Symlink(filepath.Join(outside, "planted"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if a, err := opened(t, "MINTMARK_DATA_DIR="+dir); a != nil || err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "rm ") {
			t.Errorf("%s: opened %v, %v; want a refusal that names it and its mend", name, a != nil, err)
		}
		if _, release, err := app.Migrations(load(t, "MINTMARK_DATA_DIR="+dir)); err == nil {
			release()
		}
		if _, err := app.OpenStores(t.Context(), load(t, "MINTMARK_DATA_DIR="+dir)); err == nil {
			t.Errorf("%s: an operator's command opens it", name)
		}
		if made, err := os.ReadDir(outside); len(made) > 0 || err != nil {
			t.Errorf("%s: %v were made, %v", name, made, err)
		}
	}
}

func TestAPipeInTheDataDirectoryHangsNobody(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"lock", "root-secret", "issuer", "mintmark.db"} {
		dir := t.TempDir()
		if out, err := osexec.CommandContext(t.Context(), "mkfifo", filepath.Join(dir, name)).CombinedOutput(); err != nil {
			t.Fatalf("%v, %s", err, out)
		}
		if a, err := opened(t, "MINTMARK_DATA_DIR="+dir); a != nil || err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("%s: opened %v, %v", name, a != nil, err)
		}
	}
}

// TestADirectoryOfAGroupIsServedWithAWarning, because the volumes of Kubernetes are such.
func TestADirectoryOfAGroupIsServedWithAWarning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	chmod(t, dir, fs.ModeSetgid|0o775)
	var log strings.Builder
	a, err := app.Open(t.Context(), load(t, "MINTMARK_DATA_DIR="+dir), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "chmod g-w "+dir) {
		t.Errorf("the log: %s", log.String())
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, file string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

func TestOneProcessServesFromADirectory(t *testing.T) {
	t.Parallel()
	data := "MINTMARK_DATA_DIR=" + t.TempDir()
	first, err := opened(t, data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opened(t, data); !errors.Is(err, app.ErrDataDirInUse) {
		t.Errorf("a second one: %v, want %v", err, app.ErrDataDirInUse)
	}
	if _, _, err := app.Migrations(load(t, data)); !errors.Is(err, app.ErrDataDirInUse) {
		t.Errorf("migrations beside it: %v, want %v", err, app.ErrDataDirInUse)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	_, release, err := app.Migrations(load(t, data))
	if err != nil {
		t.Fatalf("after the first one: %v", err)
	}
	if _, err := opened(t, data); !errors.Is(err, app.ErrDataDirInUse) {
		t.Errorf("beside migrations: %v, want %v", err, app.ErrDataDirInUse)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, data); err != nil {
		t.Errorf("after migrations: %v", err)
	}
}

// TestTheDataDirectoryIsForItsUserAlone and holds nothing but what it should.
func TestTheDataDirectoryIsForItsUserAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "for", "it")
	issuer, err := open(t, "MINTMARK_DATA_DIR="+dir)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v; want 0700", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want 0600", entry.Name(), info.Mode(), err)
		}
		if !strings.Contains("root-secret issuer lock mintmark.db mintmark.db-wal mintmark.db-shm", entry.Name()) {
			t.Errorf("%s is left there", entry.Name())
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "issuer")); err != nil || string(text) != issuer+"\n" {
		t.Errorf("issuer holds %q, %v; want %s", text, err, issuer)
	}
	text, err := os.ReadFile(filepath.Join(dir, "root-secret"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := secret.ParseRoots(strings.TrimSuffix(string(text), "\n")); err != nil {
		t.Errorf("root-secret: %v", err)
	}
}

// TestASecretThatIsSetIsNotWrittenDown: it is kept elsewhere for a reason.
func TestASecretThatIsSetIsNotWrittenDown(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(t *testing.T, settings ...string) error{
		"serve": func(t *testing.T, settings ...string) error {
			_, err := open(t, settings...)
			return err
		},
		"migrate": func(t *testing.T, settings ...string) error {
			_, release, err := app.Migrations(load(t, settings...))
			if err != nil {
				return err
			}
			return release()
		},
	} {
		dir := t.TempDir()
		set := "MINTMARK_ROOT_SECRET=" + secret.GenerateRoots().Encode().Reveal()
		if err := begin(t, "MINTMARK_DATA_DIR="+dir, set); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "root-secret")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: root-secret is there: %v", name, err)
		}
		if _, err := open(t, "MINTMARK_DATA_DIR="+dir, set); err != nil {
			t.Errorf("%s, and then serve: %v", name, err)
		}
	}
}

// TestADatabaseThatAMigrationMadeIsServed with the secret that was made beside it.
func TestADatabaseThatAMigrationMadeIsServed(t *testing.T) {
	t.Parallel()
	data := "MINTMARK_DATA_DIR=" + t.TempDir()
	database, release, err := app.Migrations(load(t, data))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(database.Up(t.Context()), release()); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, data); err != nil {
		t.Error(err)
	}
}

func TestOperatorsNeedADatabaseThatIsThereAndWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := "MINTMARK_DATA_DIR=" + dir
	if _, err := app.OpenStores(t.Context(), load(t, data)); !errors.Is(err, app.ErrDataDir) || !strings.Contains(err.Error(), "run `mintmark serve` once") {
		t.Errorf("without a database: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("it made %v, %v", entries, err)
	}
	if _, err := open(t, data); err != nil {
		t.Fatal(err)
	}
	stores, err := app.OpenStores(t.Context(), load(t, data))
	if err != nil {
		t.Fatal(err)
	}
	if stores.Users == nil || stores.Sessions == nil || stores.Events == nil {
		t.Errorf("%+v", stores)
	}
	verbs, err := stores.Operator(load(t, data))
	if err != nil {
		t.Fatal(err)
	}
	listed, now, err := verbs.ListKeys(t.Context())
	if err != nil || len(listed) == 0 || listed[0].State != keyring.Signing || now.IsZero() {
		t.Errorf("%+v at %s, %v", listed, now, err)
	}
	if err := stores.Close(); err != nil {
		t.Error(err)
	}
	if _, err := stores.Clients.Clients(t.Context()); err == nil {
		t.Error("the stores are still open")
	}
	exec(t, dir, `UPDATE schema_migrations SET version = 1`, `DELETE FROM schema_compat WHERE version > 1`)
	for name, check := range map[string]func() error{
		"operators": func() error { _, err := app.OpenStores(t.Context(), load(t, data)); return err },
	} {
		if err := check(); !errors.Is(err, db.ErrSchemaBehind) {
			t.Errorf("%s on an older schema: %v, want %v", name, err, db.ErrSchemaBehind)
		}
	}
}

// TestOperatorsReadWithTheSecretsOfServe, whose issuer the directory remembers.
func TestOperatorsReadWithTheSecretsOfServe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := "MINTMARK_DATA_DIR=" + dir
	issuer, err := open(t, data)
	if err != nil {
		t.Fatal(err)
	}
	cfg := load(t, data)
	if got, err := app.InForce(cfg); err != nil || got.Issuer != issuer || got.Audience != issuer {
		t.Errorf("in force: %s for %s, %v; want %s", got.Issuer, got.Audience, err, issuer)
	}
	stores, err := app.OpenStores(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer stores.Close()
	verbs, err := stores.Operator(cfg)
	if err != nil {
		t.Fatal(err)
	}
	report, err := verbs.VerifyKeys(t.Context())
	if err != nil || len(report.Keys) == 0 || report.NoneOpens() {
		t.Errorf("the keys don't open: %+v, %v", report, err)
	}
	for _, key := range report.Keys {
		if key.Problem != nil {
			t.Error(key.Problem)
		}
	}
	if secrets, err := verbs.Secrets(); err != nil || secrets.Issuer != issuer {
		t.Errorf("the secrets are those of %s, %v; want %s", secrets.Issuer, err, issuer)
	}
	if state, now, err := verbs.Rotation(t.Context(), "01935b7e-0000-7000-8000-000000000000"); err == nil && (now.Median().IsZero() || state.Cur != 0) {
		t.Errorf("the state of a session that is none: %+v at %s", state, now)
	}
	for name, damage := range map[string]func(){
		"a secret that can be read by others": func() { chmod(t, filepath.Join(dir, "root-secret"), 0o604) },
		"a secret that is gone":               func() { remove(t, filepath.Join(dir, "root-secret")) },
	} {
		damage()
		if _, err := verbs.Explain(t.Context(), "mrt_"); !errors.Is(err, app.ErrRootSecret) {
			t.Errorf("%s, a refresh token: %v", name, err)
		}
		if _, err := verbs.VerifyKeys(t.Context()); !errors.Is(err, app.ErrRootSecret) {
			t.Errorf("%s, signing keys: %v", name, err)
		}
		if name == "a secret that is gone" {
			break
		}
		chmod(t, filepath.Join(dir, "root-secret"), 0o600)
	}
}

// TestAStartThatIsGivenUpIsGivenUp: an operator who presses ^C need not wait for a database.
func TestAStartThatIsGivenUpIsGivenUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	data := "MINTMARK_DATA_DIR=" + t.TempDir()
	if a, err := app.Open(ctx, load(t, data), slog.New(slog.DiscardHandler)); a != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", a != nil, err)
	}
	if _, err := open(t, data); err != nil {
		t.Errorf("the next one: %v", err)
	}
}
