package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/backup"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/operator"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/torture"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// Exit codes. They are a promise to scripts.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2 // usage or bad configuration
	exitNotFound    = 3
	exitRefused     = 4 // it is allowed, but not now or not in this way
	exitUnavailable = 5 // a dependency is unavailable
)

// usageError reports a wrong command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// errUnconfirmed reports that an irreversible action was not confirmed.
var errUnconfirmed = errors.New("not confirmed, nothing was changed")

// exitCode is the one mapping from errors to exit codes.
func exitCode(err error) int {
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[config.Problems](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[*authority.InvalidRegistration](err); ok {
		return exitRefused
	}
	if _, ok := errors.AsType[keyProblems](err); ok {
		return exitFailed
	}
	if _, ok := errors.AsType[unmet](err); ok {
		return exitUnavailable
	}
	for _, known := range knownExits() {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	if _, ok := errors.AsType[*net.OpError](err); ok { // a store or an issuer that went away
		return exitUnavailable
	}
	return exitFailed
}

// knownExit is what one sentinel error means to the caller of the command.
type knownExit struct {
	err  error
	code int
	mend string // where the error itself does not say it
}

func knownExits() []knownExit {
	return []knownExit{
		{app.ErrRootSecret, exitUsage, ""},
		{app.ErrPooler, exitUsage, ""},
		{db.ErrPooler, exitUsage, ""},
		{keyring.ErrUnsealable, exitUsage, "give back the root secret and the MINTMARK_ISSUER it was sealed under"},
		{app.ErrListen, exitFailed, ""},
		{torture.ErrListen, exitUnavailable, "choose another address"},
		{torture.ErrUnusable, exitUsage, ""},
		{app.ErrDataDirInUse, exitRefused, ""},
		{app.ErrNotEmbedded, exitUsage, ""},
		{app.ErrBackupExists, exitRefused, "choose another FILE"},
		{app.ErrNotEmpty, exitRefused, ""},
		{app.ErrFull, exitFailed, ""},
		{backup.ErrArchive, exitFailed, "nothing was restored; try another backup"},

		{user.ErrNotFound, exitNotFound, "`mintmark users list` shows all users"},
		{client.ErrNotFound, exitNotFound, "`mintmark clients list` shows all clients"},
		{session.ErrNotFound, exitNotFound, "`mintmark sessions list` shows all sessions"},
		{keyring.ErrUnknownKey, exitNotFound, "`mintmark keys list` shows all keys"},
		{operator.ErrUnexplained, exitNotFound, "give a refresh token (mrt_…), a session's id or the X-Request-Id of an answer (a request that neither changed nor refused a session has no event; look for it in the log)"},

		{db.ErrSchemaBehind, exitRefused, ""},
		{db.ErrSchemaTooNew, exitRefused, ""},
		{db.ErrSchemaDirty, exitRefused, ""},
		{db.ErrUnknownVersion, exitRefused, ""},
		{user.ErrUsernameTaken, exitRefused, "choose another, one that does not look like that of another user"},
		{user.ErrEmailTaken, exitRefused, "choose another"},
		{keyring.ErrUnripe, exitRefused, "wait, or give --emergency"},
		{keyring.ErrSwitching, exitRefused, ""},
		{keyring.ErrKeyRevoked, exitRefused, ""},
		{keyring.ErrNoStandby, exitRefused, ""},
		{errUnconfirmed, exitRefused, "answer yes, or give --yes"},

		{app.ErrUnavailable, exitUnavailable, ""},
		{keyring.ErrClocks, exitRefused, "set the wrong clock right; `mintmark config check --connect` compares them"}, // after ErrUnavailable, which it is at a start
		{torture.ErrUnreachable, exitUnavailable, "check that it runs and that the URL is right"},
		{db.ErrUnusable, exitUsage, ""},
		{db.ErrUnavailable, exitUnavailable, ""},
		{errNotCompared, exitUnavailable, "let serve run and its issuer be reachable from here, or give --offline"},
		{context.DeadlineExceeded, exitUnavailable, "try again when the machine or the network is less busy"},
		{app.ErrDataDir, exitUsage, ""},
		{context.Canceled, exitFailed, "run it again"},
	}
}

// complaints returns an error as lines: one, or one for each problem of a list that
// can be fixed at once.
func complaints(err error) []string {
	var lines []string
	if problems, ok := errors.AsType[config.Problems](err); ok {
		for _, p := range problems {
			lines = append(lines, oneLine(p.String()))
		}
		return lines
	}
	if invalid, ok := errors.AsType[*authority.InvalidRegistration](err); ok {
		for _, p := range invalid.Problems {
			lines = append(lines, oneLine(string(p)))
		}
		return lines
	}
	if problems, ok := errors.AsType[keyProblems](err); ok {
		for _, p := range problems {
			lines = append(lines, oneLine(p.Error()))
		}
		return lines
	}
	if missing, ok := errors.AsType[unmet](err); ok {
		for _, m := range missing {
			lines = append(lines, oneLine(m.Error()))
		}
		return lines
	}
	line := oneLine(err.Error())
	for _, known := range knownExits() {
		if errors.Is(err, known.err) && known.mend != "" {
			return []string{line + "; " + known.mend}
		}
	}
	return []string{line}
}

// about says what an error is about. It reduces an error with an exit code of its own
// to its sentinel, because the layers below would repeat it in other words.
func about(noun, name string, err error) error {
	for _, known := range []error{user.ErrNotFound, user.ErrUsernameTaken, user.ErrEmailTaken, client.ErrNotFound, session.ErrNotFound} {
		if errors.Is(err, known) {
			err = known
		}
	}
	return fmt.Errorf("%s %q: %w", noun, name, err)
}

// oneLine puts an error on one line, whatever text it quotes.
func oneLine(text string) string {
	return clean(strings.ReplaceAll(strings.TrimSpace(text), "\n", "; "))
}
