package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

// maxInput bounds what is read from standard input.
const maxInput = 64 << 10

// terminal gives the descriptor of a stream that a person sits at.
func terminal(stream any) (fd int, ok bool) {
	file, ok := stream.(interface{ Fd() uintptr })
	if !ok || !isatty.IsTerminal(file.Fd()) {
		return 0, false
	}
	return int(file.Fd()), true
}

// interactive reports whether there is a user to ask; questions go to stderr.
func (s *shell) interactive() bool {
	_, ok := terminal(s.stdin)
	return ok
}

// harm says how much is lost if a command was not meant.
type harm int

const (
	harmful      harm = iota // asks a person
	irreversible             // asks a person, and of a script that it says --yes
)

// addYes gives a command the flag that answers its question.
func addYes(cmd *cobra.Command) { cmd.Flags().BoolP("yes", "y", false, "don't ask for confirmation") }

// confirm asks before harm is done. errUnconfirmed.
func (s *shell) confirm(cmd *cobra.Command, h harm, format string, args ...any) error {
	if yes, _ := cmd.Flags().GetBool("yes"); yes {
		return nil
	}
	if !s.interactive() {
		if h == irreversible {
			return errUnconfirmed
		}
		return nil
	}
	fmt.Fprintf(s.stderr, "%s [y/N] ", clean(fmt.Sprintf(format, args...)))
	answer, err := await(cmd.Context(), func() (string, error) { return bufio.NewReader(s.stdin).ReadString('\n') })
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errUnconfirmed
}

// readPassword asks for a password, twice and unseen, or takes all of standard
// input without the line end behind it.
func (s *shell) readPassword(ctx context.Context) (secret.String, error) {
	if s.interactive() {
		return s.askPassword(ctx)
	}
	text, err := await(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(s.stdin, maxInput+1)) })
	if err != nil {
		return secret.String{}, fmt.Errorf("read password: %w", err)
	}
	return passwordIn(string(text), "standard input")
}

// passwordIn takes a password that stands alone in a text.
func passwordIn(text, place string) (secret.String, error) {
	password := strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	switch {
	case password == "":
		return secret.String{}, usagef("%s contains no password; write it there, it is not taken from the command line", place)
	case len(text) > maxInput, strings.ContainsAny(password, "\r\n"):
		return secret.String{}, usagef("%s contains more than one line; write only the password", place)
	}
	return secret.NewString(password), nil
}

func (s *shell) askPassword(ctx context.Context) (secret.String, error) {
	first, err := s.askUnseen(ctx, "Password: ")
	if err != nil {
		return secret.String{}, err
	}
	again, err := s.askUnseen(ctx, "Again: ")
	if err != nil {
		return secret.String{}, err
	}
	if first == "" || first != again {
		return secret.String{}, usagef("the password was empty or not the same twice; try again")
	}
	return secret.NewString(first), nil
}

// askUnseen reads a line without showing it. The terminal gets its echo back even if the user
// gives up.
func (s *shell) askUnseen(ctx context.Context, prompt string) (string, error) {
	fd, _ := terminal(s.stdin)
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("prepare terminal: %w", err)
	}
	fmt.Fprint(s.stderr, prompt)
	line, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	fmt.Fprintln(s.stderr)
	if err != nil {
		return "", errors.Join(fmt.Errorf("read password: %w", err), term.Restore(fd, before))
	}
	return string(line), nil
}

// await does something that can't be interrupted, and stops waiting when ctx ends.
// The process is about to end then, and what hangs ends with it.
func await[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	ended := make(chan outcome, 1)
	go func() {
		value, err := do()
		ended <- outcome{value, err}
	}()
	select {
	case o := <-ended:
		return o.value, o.err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}
