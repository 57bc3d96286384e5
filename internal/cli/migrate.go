package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/config"
)

func (s *shell) newMigrate() *cobra.Command {
	return s.group("migrate", "bring the database schema up to date",
		`The schema of the database changes by numbered migrations. In embedded mode serve applies
them by itself; in production run "migrate up" before the new replicas start. It may run any
number of times, and while the previous version still serves.`,
		`  mintmark migrate status
  mintmark migrate up`,
		s.newMigrateUp(), s.newMigrateDown(), s.newMigrateStatus(), s.newMigrateForce())
}

// changeSchema changes the schema, alone in embedded mode, and answers with where it
// stands then.
func (s *shell) changeSchema(ctx context.Context, cfg config.Config, change func(*db.Database) error) error {
	schema, release, err := app.Migrations(cfg)
	if err != nil {
		return err
	}
	if err = s.await(ctx, cfg, schema); err == nil {
		err = change(schema)
	}
	if err == nil {
		err = s.answerStatus(ctx, schema)
	}
	return errors.Join(err, release())
}

// await waits for a Postgres that is not up yet, and says so.
func (s *shell) await(ctx context.Context, cfg config.Config, schema *db.Database) error {
	return app.AwaitDatabase(ctx, cfg, schema, func(line string) { fmt.Fprintln(s.stderr, oneLine(line)) })
}

// numbered is a verb on the schema that takes a number, which is read before
// anything is opened or locked.
func (s *shell) numbered(name string, verb func(cmd *cobra.Command, schema *db.Database, n int) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 0 {
			return usagef("%s is a whole number, not %q", name, args[0])
		}
		cfg, err := s.config(cmd)
		if err != nil {
			return err
		}
		return s.changeSchema(cmd.Context(), cfg, func(schema *db.Database) error { return verb(cmd, schema, n) })
	}
}

func (s *shell) newMigrateUp() *cobra.Command {
	return &cobra.Command{
		Use: "up", Short: "apply the missing migrations",
		Long: `Apply every migration that the database lacks. A Postgres that can't be reached yet is waited
for, MINTMARK_STARTUP_WAIT long. On Postgres, several of these commands may
run at once: one does the work, the others wait. If there is a pooler, set
MINTMARK_DATABASE_MIGRATE_URL to the URL of the server. In embedded mode stop serve first,
unless nothing is missing. After a migration that was killed this goes on: it runs again what
left nothing, takes as done what is done, and says so on standard error.`,
		Example: `  mintmark migrate up`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			cfg, err := s.config(cmd)
			if err != nil {
				return err
			}
			schema, err := app.Schema(cfg)
			if err != nil {
				return err
			}
			if status, err := schema.Status(ctx); err == nil && status.Complete() { // also beside a live serve, whose data directory is locked
				return s.answerStatus(ctx, schema)
			}
			return s.changeSchema(ctx, cfg, func(schema *db.Database) error {
				schema.Tell = func(line string) { fmt.Fprintln(s.stderr, line) }
				return schema.Up(ctx)
			})
		},
	}
}

func (s *shell) newMigrateDown() *cobra.Command {
	cmd := &cobra.Command{
		Use: "down N", Short: "revert the last N migrations, and delete their data",
		Long: `Revert the last N migrations. This drops the tables and columns that they added, with all
their data. A script must pass --yes. In embedded mode stop serve first.`,
		Example: `  mintmark migrate down 1`,
		Args:    arguments("N"),
		RunE: s.numbered("N", func(cmd *cobra.Command, schema *db.Database, n int) error {
			if err := s.confirm(cmd, irreversible, "Revert %d migrations and delete their data?", n); err != nil {
				return fmt.Errorf("migrate down %d: %w", n, err)
			}
			return schema.Down(cmd.Context(), n)
		}),
	}
	addYes(cmd)
	return cmd
}

func (s *shell) newMigrateStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "show the state of the schema",
		Long:    `List the migrations that this binary knows, and which of them are applied. This changes nothing.`,
		Example: `  mintmark migrate status`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.config(cmd)
			if err != nil {
				return err
			}
			schema, err := app.Schema(cfg)
			if err != nil {
				return err
			}
			if err := s.await(cmd.Context(), cfg, schema); err != nil {
				return err
			}
			return s.answerStatus(cmd.Context(), schema)
		},
	}
}

func (s *shell) newMigrateForce() *cobra.Command {
	return &cobra.Command{
		Use: "force V", Short: "declare the schema complete at version V",
		Long: `Declare that the schema is complete at version V (0: empty). Use it where "migrate up" does
not go on by itself, and you have checked what there is. The command runs no migration and
touches no table. In embedded mode stop serve first.`,
		Example: `  mintmark migrate force 1 && mintmark migrate up`,
		Args:    arguments("V"),
		RunE: s.numbered("V", func(cmd *cobra.Command, schema *db.Database, v int) error {
			return schema.Force(cmd.Context(), v)
		}),
	}
}

func (s *shell) answerStatus(ctx context.Context, schema *db.Database) error {
	status, err := schema.Status(ctx)
	if err != nil {
		return err
	}
	answer := statusAnswer{Version: status.Version, Latest: status.Latest, Dirty: status.Dirty, Unended: status.Unended()}
	t := table{head: []string{"VERSION", "NAME", "STATE"}}
	for _, m := range status.Migrations {
		answer.Migrations = append(answer.Migrations, migrationAnswer{m.Version, m.Name, m.Applied})
		t.rows = append(t.rows, []string{strconv.Itoa(m.Version), m.Name, status.StateOf(m)})
	}
	if err := s.answer(answer, t); err != nil {
		return err
	}
	if s.output == formatTable {
		fmt.Fprintln(s.stderr, status)
	}
	return nil
}

type statusAnswer struct {
	Version    int               `json:"version"`
	Latest     int               `json:"latest"`
	Dirty      bool              `json:"dirty"`
	Unended    string            `json:"unended,omitempty"`
	Migrations []migrationAnswer `json:"migrations"`
}

type migrationAnswer struct {
	Version int    `json:"version"`
	Name    string `json:"name"`
	Applied bool   `json:"applied"`
}
