package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// buildLimit is for a machine that is busy, and has to compile all libraries first.
const buildLimit = 10 * time.Minute

var errNoHistory = errors.New("the binary before each migration is built from its commit, and that is not here")

// commitBefore is the last commit of a checkout that lacks a file, given by a pattern: what was
// built from it may still run when what the file brings is there. Where the file itself is
// not committed yet, that is the newest commit.
func commitBefore(ctx context.Context, checkout, file string) (string, error) {
	_, err := git(ctx, checkout, "rev-parse", "HEAD")
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%w: install git: %w", errNoHistory, err)
	}
	if err != nil {
		return "", fmt.Errorf("%w: clone the project by `git clone`, since a copy of its files has no history: %w", errNoHistory, err)
	}
	added, err := git(ctx, checkout, "log", "--no-renames", "--diff-filter=A", "--format=%H", "-1", "--", file)
	if err != nil {
		return "", err
	}
	if added == "" {
		return git(ctx, checkout, "rev-parse", "HEAD")
	}
	before, err := git(ctx, checkout, "rev-parse", "--verify", "--quiet", added+"^")
	if err != nil {
		return "", fmt.Errorf("%w: the history that is here begins with %s or after it; fetch the rest by `git fetch --unshallow`", errNoHistory, file)
	}
	return before, nil
}

// git also reads a checkout that belongs to another user, as where root runs the tests.
func git(ctx context.Context, checkout string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "safe.directory=*", "-C", checkout}, args...)...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// upOf is the file that brings a migration.
func upOf(migration int) string { return fmt.Sprintf("db/migrations/*/%04d_*.up.sql", migration) }

// binaryBefore is mintmark as it was before a migration.
func binaryBefore(t testing.TB, migration int) (program string) {
	t.Helper()
	return programBefore(t, upOf(migration), "mintmark")
}

// programBefore is one of our commands as it was before a file was added. What was built stays in
// bin/before, as a commit does not change.
func programBefore(t testing.TB, file, command string) (program string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), buildLimit)
	defer cancel()
	checkout, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	commit, err := commitBefore(ctx, checkout, file)
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(checkout, "bin", "before")
	program = filepath.Join(kept, commit)
	if command != "mintmark" {
		program += "-" + command
	}
	if _, err := os.Stat(program); err == nil {
		return program
	}
	if err := os.MkdirAll(kept, 0o755); err != nil {
		t.Fatal(err)
	}
	built := filepath.Join(t.TempDir(), command)
	if err := build(ctx, source(t, ctx, checkout, commit), checkout, command, built); err != nil {
		t.Fatalf("build commit %s: %v", commit, err)
	}
	if err := keepProgram(built, program); err != nil {
		t.Fatal(err)
	}
	return program
}

// source is the tree of a commit.
func source(t testing.TB, ctx context.Context, checkout, commit string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	tree := filepath.Join(t.TempDir(), "tree.tar")
	if _, err := git(ctx, checkout, "archive", "--format=tar", "--output="+tree, commit); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(ctx, "tar", "-xf", tree, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v: %s", err, out)
	}
	return dir
}

// build compiles old code with the libraries of today, which are there and compiled
// already, and where it does not fit them with its own.
func build(ctx context.Context, source, checkout, command, program string) error {
	compile := func(args ...string) error {
		cmd := exec.CommandContext(ctx, "go", append(append([]string{"build", "-buildvcs=false", "-tags=nomsgpack", "-ldflags=-s -w", "-o", program}, args...), "./cmd/"+command)...)
		cmd.Dir = source
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w: %s", err, out)
		}
		return nil
	}
	today := filepath.Join(source, "today.mod")
	err := errors.Join(copyFile(filepath.Join(checkout, "go.mod"), today), copyFile(filepath.Join(checkout, "go.sum"), filepath.Join(source, "today.sum")))
	if err != nil {
		return err
	}
	if compile("-modfile="+today) == nil {
		return nil
	}
	return compile()
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}

// keepProgram puts a program where others look for it, whole or not at all.
func keepProgram(built, program string) error {
	content, err := os.ReadFile(built)
	if err != nil {
		return err
	}
	beside, err := os.CreateTemp(filepath.Dir(program), "new-")
	if err != nil {
		return err
	}
	_, err = beside.Write(content)
	err = errors.Join(err, beside.Chmod(0o755), beside.Close())
	if err != nil {
		return errors.Join(err, os.Remove(beside.Name()))
	}
	return os.Rename(beside.Name(), program)
}

// TestWithoutHistoryTheErrorSaysHowToGetIt: a test that can't be made must not pass.
func TestWithoutHistoryTheErrorSaysHowToGetIt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	origin := filepath.Join(t.TempDir(), "origin")
	run := func(args ...string) string {
		t.Helper()
		out, err := git(ctx, origin, append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	add := func(name string) (commit string) {
		t.Helper()
		file := filepath.Join(origin, "db", "migrations", "sqlite", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(name), 0o600)); err != nil {
			t.Fatal(err)
		}
		run("add", "-A")
		run("commit", "-qm", name)
		return run("rev-parse", "HEAD")
	}
	if err := os.Mkdir(origin, 0o755); err != nil {
		t.Fatal(err)
	}
	run("init", "-q")
	first := add("0001_one.up.sql")
	add("0002_two.up.sql")
	newest := add("0002_two.down.sql")
	shallow := filepath.Join(t.TempDir(), "shallow")
	run("clone", "-q", "--depth=1", "file://"+origin, shallow)
	export := t.TempDir()

	for _, c := range []struct {
		name, checkout string
		migration      int
		want, says     string
	}{
		{"the commit before", origin, 2, first, ""},
		{"not committed yet", origin, 3, newest, ""},
		{"the first has none before it", origin, 1, "", "git fetch --unshallow"},
		{"cut off", shallow, 2, "", "git fetch --unshallow"},
		{"no repository", export, 2, "", "git clone"},
	} {
		got, err := commitBefore(ctx, c.checkout, upOf(c.migration))
		if got != c.want || (err == nil) != (c.says == "") || (err != nil && (!errors.Is(err, errNoHistory) || !strings.Contains(err.Error(), c.says))) {
			t.Errorf("%s: got %q, %v; want %q, an error saying %q", c.name, got, err, c.want, c.says)
		}
	}
}

func TestACheckoutOfAnotherUserHasItsHistory(t *testing.T) {
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1") // git's own way to test this
	if commit, err := commitBefore(t.Context(), "../..", upOf(2)); commit == "" || err != nil {
		t.Errorf("got %q, %v, want the commit before migration 2", commit, err)
	}
}

func TestWithoutGitTheErrorSaysToInstallIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := commitBefore(t.Context(), "../..", upOf(2)); !errors.Is(err, errNoHistory) || !strings.Contains(err.Error(), "install git") {
		t.Errorf("got %v, want advice to install git", err)
	}
}
