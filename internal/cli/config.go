package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/config"
)

func (s *shell) newConfig() *cobra.Command {
	return s.group("config", "check and show the configuration",
		`Every setting can be a flag, a variable (MINTMARK_HTTP_ADDR), a file that a variable names
(MINTMARK_HTTP_ADDR_FILE) or a key of the YAML file that --config names (http_addr); the
first of these that has a value wins. Secrets are not taken from the command line: a flag
takes @file, or - for standard input.`,
		`  mintmark config check --config mintmark.yaml
  mintmark config show`,
		s.newConfigCheck(), s.newConfigShow())
}

func (s *shell) newConfigCheck() *cobra.Command {
	var connect bool
	cmd := &cobra.Command{
		Use: "check", Short: "report every problem of the configuration at once",
		Long: `Read the configuration as serve would and report every problem that it has: what is
wrong, where the value came from and how to fix it. The command starts nothing and opens no
database; of a data directory it reads only the stored issuer. Secrets in files that others
can read, and connections to other hosts without TLS, are warnings.

With --connect, if the configuration is good, the command also looks at what serve depends
on, for five seconds each at most, and prints a line for each: whether Postgres and Redis can
be reached and are new enough, the schema, whether Redis keeps every session, whether the root
secret opens the signing keys, the clocks, the two ports, and in production whether the issuer
can be reached from here. The exit code is 5 if serve would not run, or must not be run like
this. What passes by itself or by the next command is a warning: a schema that is behind, a
wrong clock, a port that is taken, an issuer that does not answer yet.`,
		Example: `  mintmark config check --config mintmark.yaml
  mintmark config check --connect
  mintmark config check --connect && mintmark migrate up && mintmark serve`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.configInForce(cmd)
			answer := checked(err)
			for _, w := range cfg.Warnings() {
				answer.Warnings = append(answer.Warnings, problemAnswer(w))
			}
			if err == nil && connect {
				answer.Checks, err = s.connect(cmd.Context(), cfg)
				answer.OK = err == nil
			}
			if s.output == formatJSON {
				return errors.Join(s.answerJSON(answer), err)
			}
			for _, w := range cfg.Warnings() {
				fmt.Fprintln(s.stdout, "warning: "+oneLine(w.String()))
			}
			if len(answer.Problems) == 0 {
				fmt.Fprintf(s.stdout, "the configuration is good: %s mode, issuer %s\n", cfg.Mode(), cfg.Issuer)
			}
			if answer.Checks != nil {
				s.printConnected(answer.Checks)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&connect, "connect", false, "also look at what serve depends on: stores, schema, keys, clocks, ports, issuer")
	return cmd
}

func (s *shell) newConfigShow() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "show every setting and where it came from",
		Long: `Show the value of every setting in effect, and where it came from. Secrets are ***. A data
directory keeps the issuer that it was first served under, even if the port changes.`,
		Example: `  mintmark config show --output json`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.configInForce(cmd)
			if err != nil {
				return err
			}
			var answer []settingAnswer
			t := table{head: []string{"VARIABLE", "VALUE", "FROM"}}
			for _, row := range config.Show(cfg) {
				answer = append(answer, settingAnswer(row))
				t.rows = append(t.rows, []string{row.Variable, row.Value, row.Source})
			}
			return s.answer(answer, t)
		},
	}
}

// configInForce is the configuration as serve would run it, with the issuer that the
// data directory remembers.
func (s *shell) configInForce(cmd *cobra.Command) (config.Config, error) {
	cfg, err := s.config(cmd)
	if err != nil {
		return cfg, err
	}
	return app.InForce(cfg)
}

func checked(err error) checkAnswer {
	answer := checkAnswer{OK: err == nil, Problems: []problemAnswer{}}
	problems, ok := errors.AsType[config.Problems](err)
	if err != nil && !ok {
		answer.Problems = append(answer.Problems, problemAnswer{Source: "data directory", What: oneLine(err.Error()), Mend: "correct it"})
	}
	for _, p := range problems {
		answer.Problems = append(answer.Problems, problemAnswer(p))
	}
	return answer
}

type checkAnswer struct {
	OK       bool            `json:"ok"`
	Problems []problemAnswer `json:"problems"`
	Warnings []problemAnswer `json:"warnings,omitempty"` // serve would run
	Checks   []findingAnswer `json:"checks,omitempty"`   // with --connect
}

type problemAnswer struct {
	Key    string `json:"key,omitempty"`
	Source string `json:"source"`
	What   string `json:"what"`
	Mend   string `json:"mend"`
}

type settingAnswer struct {
	Variable string `json:"variable"`
	Value    string `json:"value"`
	Source   string `json:"source"`
}
