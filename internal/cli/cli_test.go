package cli_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/cli"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/operator"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/torture"
	"github.com/mintmark-auth/mintmark/internal/user"
)

func TestEveryCommandSaysWhatItDoesAndShowsAnExample(t *testing.T) {
	t.Parallel()
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || c.Long == "" || !strings.Contains(c.Example, "mintmark") {
			t.Errorf("%s: short %q, long %q, example %q", c.CommandPath(), c.Short, c.Long, c.Example)
		}
		if c.Flag("output") == nil {
			t.Errorf("%s takes no --output", c.CommandPath())
		}
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			if len(strings.TrimRight(line, "\n")) > 96 {
				t.Errorf("%s: a line of the help is too long for a terminal: %q", c.CommandPath(), line)
			}
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk(cli.Root())
}

func TestEveryErrorHasItsExitCode(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, c := range []struct {
		err  error
		want int
	}{
		{errors.New("whatever"), 1},
		{app.ErrListen, 1},
		{context.Canceled, 1},
		{config.Problems{{Key: "MINTMARK_ISSUER"}}, 2},
		{app.ErrRootSecret, 2},
		{app.ErrDataDir, 2},
		{keyring.ErrUnsealable, 2},
		{user.ErrNotFound, 3},
		{client.ErrNotFound, 3},
		{session.ErrNotFound, 3},
		{operator.ErrUnexplained, 3},
		{app.ErrDataDirInUse, 4},
		{db.ErrSchemaBehind, 4},
		{db.ErrSchemaTooNew, 4},
		{db.ErrSchemaDirty, 4},
		{db.ErrUnknownVersion, 4},
		{user.ErrUsernameTaken, 4},
		{user.ErrEmailTaken, 4},
		{&authority.InvalidRegistration{Problems: []user.Problem{"No."}}, 4},
		{app.ErrUnavailable, 5},
		{torture.ErrUnreachable, 5},
		{fmt.Errorf("%w: %w", torture.ErrListen, refused), 5},
		{db.ErrUnavailable, 5},
		{db.ErrUnusable, 2},
		{refused, 5},
		{context.DeadlineExceeded, 5},
		{fmt.Errorf("%w: %w", app.ErrListen, refused), 1},
		{fmt.Errorf("%w: %w", app.ErrUnavailable, context.DeadlineExceeded), 5},
	} {
		if got := cli.ExitCode(fmt.Errorf("do a thing: %w", errors.Join(c.err, nil))); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.want)
		}
	}
}

func TestTheProgramIsNamedAsItCanBeCalledAgain(t *testing.T) {
	t.Parallel()
	for program, want := range map[string]string{
		"":                     "mintmark",
		"mintmark":             "mintmark",
		"./bin/mintmark":       "./bin/mintmark",
		"/opt/mint mark's/bin": `'/opt/mint mark'\''s/bin'`,
		"/var/folders/go-build2041/b001/exe/mintmark":                                           "go run -tags nomsgpack ./cmd/mintmark",
		"/cache/ab/abababababababababababababababababababababababababababababababab-d/mintmark": "go run -tags nomsgpack ./cmd/mintmark",
	} {
		if got := cli.Callable(program); got != want {
			t.Errorf("%s: got %s, want %s", program, got, want)
		}
	}
}

// full is a disk that is.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestAnAnswerThatNobodyGotIsAFailure(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"help", "serve"}, {"version"}, {"version", "-o", "json"}, {"completion", "bash"}, {"config", "check"}} {
		var stderr strings.Builder
		if code := cli.Run(t.Context(), cli.Process{Args: args, Stdout: full{}, Stderr: &stderr}); code != 1 || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("%v: exit code %d, %q; want 1 and why", args, code, stderr.String())
		}
	}
}

func TestAnErrorIsOneLineWithoutControlCharacters(t *testing.T) {
	t.Parallel()
	hostile := errors.Join(errors.New("first\x1b[2J"), errors.New("second\r\u202egnp.exe"))
	got := cli.Complaints(hostile)
	if len(got) != 1 || got[0] != `first\u001b[2J; second\u000d\u202egnp.exe` {
		t.Errorf("got %q", got)
	}
	problems := config.Problems{{Key: "A", What: "x", Mend: "y"}, {Key: "B", What: "x", Mend: "y"}}
	if got := cli.Complaints(fmt.Errorf("load: %w", problems)); len(got) != 2 || got[1] != "B: x; y" {
		t.Errorf("got %q", got)
	}
}
