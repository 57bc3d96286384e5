// Package cli is the command line. There is a file per command, with its texts and the order of its steps.
//
// It makes three promises to users and scripts: every error is one line on stderr that says what is wrong and how to
// fix it; the exit code is the kind of failure (only exit.go decides it); and the output on stdout is a table for
// people or JSON for programs, in which no character of a stranger reaches the terminal as a command. It never takes a
// secret from the command line or prints one.
//
// It opens no store and no listener itself; package app does.
package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/text"
	"github.com/mintmark-auth/mintmark/internal/version"
)

// Process is what a command may touch of the process it runs in.
type Process struct {
	Program string   // how it was called, as os.Args[0] gives it; mintmark if empty
	Args    []string // without the program's name
	Environ []string // as os.Environ gives it
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
}

// Run carries out the command line and returns the exit code. When ctx ends the
// command ends in order.
func Run(ctx context.Context, p Process) int {
	stdout, canvas := &written{Writer: text.NewVisibleWriter(p.Stdout)}, &written{Writer: p.Stdout}
	s := &shell{
		program: callable(p.Program), environ: p.Environ, stdin: p.Stdin,
		stdout: stdout, stderr: text.NewVisibleWriter(p.Stderr), canvas: canvas, progress: p.Stderr, output: formatTable,
	}
	root := newRoot(s)
	root.SetArgs(p.Args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = cmp.Or(stdout.failed, canvas.failed)
	}
	if err == nil {
		return exitOK
	}
	for _, line := range complaints(err) {
		s.complain(line)
	}
	return exitCode(err)
}

// complain reports an error to people, or as a line of the log.
func (s *shell) complain(line string) {
	if s.errors != nil {
		s.errors.Error(line)
		return
	}
	fmt.Fprintln(s.stderr, "mintmark: "+line)
}

// shell is what the commands share: the streams, and how answers are to look.
type shell struct {
	program string // what to type to call it again
	environ []string
	stdin   io.Reader
	stdout  io.Writer // what can't be seen is escaped on the way, whoever wrote it; so on stderr
	stderr  io.Writer
	output  format
	errors  *slog.Logger // where errors go if every line has to be one of the log; else nil

	canvas   io.Writer // stdout as it is, for what paint has painted
	progress io.Writer // stderr as it is, for lines that are written over
}

// config reads the configuration. Its error is a config.Problems.
func (s *shell) config(cmd *cobra.Command) (config.Config, error) {
	return config.Load(cmd.Flags(), s.environ, s.stdin)
}

// The chapters of the help.
const (
	groupRun       = "run"
	groupOperate   = "operate"
	groupConfigure = "configure"
	groupAbout     = "about"
)

func newRoot(s *shell) *cobra.Command {
	root := s.group("mintmark", "a token authority",
		`mintmark issues short-lived signed access tokens and the refresh tokens that renew
them; your other services check the access tokens offline, against its public keys.

Without any setting it runs embedded: SQLite in ./mintmark-data, on loopback.`,
		`  mintmark serve
  mintmark demo
  mintmark users create ada --email ada@example.com`)
	root.Version = version.String()
	root.SetVersionTemplate("mintmark {{.Version}}\n")
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetIn(s.stdin)
	root.SetOut(s.stdout)
	root.SetErr(s.stderr)
	root.SetUsageFunc(usage)
	root.SetFlagErrorFunc(flagError)
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run"},
		&cobra.Group{ID: groupOperate, Title: "Operate"},
		&cobra.Group{ID: groupConfigure, Title: "Configure"},
		&cobra.Group{ID: groupAbout, Title: "About"},
	)
	help := s.newHelp()
	help.GroupID = groupAbout
	root.SetHelpCommand(help)
	registerConfigFlags(root.PersistentFlags())
	root.PersistentFlags().VarP(&s.output, "output", "o", "form of the output: table, for people, or json")
	add(root, groupRun, s.newServe(), s.newDemo(), s.newTorture())
	add(root, groupOperate, s.newUsers(), s.newClients(), s.newSessions(), s.newExplain(), s.newKeys(), s.newMigrate(), s.newBackup(), s.newRestore())
	add(root, groupConfigure, s.newConfig(), s.newSecret())
	add(root, groupAbout, s.newVersion(), s.newCompletion())
	return root
}

func add(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		root.AddCommand(c)
	}
}

// group is a command that only contains others. Alone it shows its help; with an unknown word
// it names the nearest command.
func (s *shell) group(use, short, long, example string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(commands...)
	return cmd
}

func (s *shell) newHelp() *cobra.Command {
	return &cobra.Command{
		Use: "help COMMAND", Short: "print the help of a command",
		Long:    "Print the help of a command, as `mintmark COMMAND --help` does.",
		Example: "  mintmark help users create",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return unknownCommand(found, rest[0])
			}
			return found.Help()
		},
	}
}

// arguments asks for exactly the arguments that the usage line names.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usagef("%s is missing; see `%s --help`", names[len(args)], cmd.CommandPath())
		case len(args) > len(names):
			return usagef("unexpected argument %q; see `%s --help`", args[len(names)], cmd.CommandPath())
		}
		return nil
	}
}
