package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/telemetry"
	"github.com/mintmark-auth/mintmark/internal/version"
)

func (s *shell) newServe() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "run the authority",
		Long: `Run the authority until SIGINT, SIGTERM or SIGHUP. Then it leaves: a replica goes on
serving for five seconds (MINTMARK_SHUTDOWN_DELAY), until balancers have noticed, and
requests in flight get ten seconds to end. A second SIGINT or SIGTERM ends it at once. When
it is ready it prints where it listens and what to try.

Without any setting it runs embedded, on loopback, with its database and root secret in
./mintmark-data. With MINTMARK_DATABASE_URL, MINTMARK_REDIS_URL and MINTMARK_ROOT_SECRET it
is one of any number of equal replicas. The log goes to standard error. With
MINTMARK_LOG_FORMAT=json every line there is a JSON object, errors at the start included,
and nothing else is printed.`,
		Example: `  mintmark serve
  mintmark serve --http-addr 127.0.0.1:8180 --ops-addr 127.0.0.1:9190 --data-dir other
  mintmark serve --config /etc/mintmark.yaml`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			outliveReaders()
			cfg, err := s.config(cmd)
			log := s.log(cfg)
			if cfg.LogFormat == config.LogJSON {
				s.errors = log
			}
			if err != nil {
				return err
			}
			for _, w := range cfg.Warnings() {
				log.Warn(w.What+"; "+w.Mend, "key", w.Key, "from", w.Source)
			}
			a, err := app.Open(cmd.Context(), cfg, log)
			if err != nil {
				return err
			}
			info, err := a.Info(cmd.Context())
			if err != nil {
				return errors.Join(err, a.Close())
			}
			if err := a.Run(cmd.Context(), func() { s.announce(cfg, info, log) }); err != nil {
				return err
			}
			log.Info("stopped", "version", version.String())
			return nil
		},
	}
}

func (s *shell) log(cfg config.Config) *slog.Logger {
	_, person := terminal(s.stderr)
	asJSON := cfg.LogFormat == config.LogJSON || cfg.LogFormat == config.LogAuto && !person
	return telemetry.NewLog(s.stderr, cfg.LogLevel, asJSON)
}

// readyAnswer is the line that reports to a program that the authority is ready.
type readyAnswer struct {
	Issuer     string `json:"issuer"`
	Audience   string `json:"audience"`
	KID        string `json:"kid"`
	Public     string `json:"public"`
	Operations string `json:"operations"`
	Mode       string `json:"mode"`
	DataDir    string `json:"data_dir,omitempty"`
}

// announce logs that the authority is ready, and prints it for people or for a program that waits for it. It ignores write
// errors: a closed standard output must not stop the authority.
func (s *shell) announce(cfg config.Config, info app.Info, log *slog.Logger) {
	log.Info("serving", "version", version.String(), "mode", info.Mode, "issuer", info.Issuer, "public", info.Public, "operations", info.Operations, "kid", info.KID)
	warnings := exposures(cfg, info)
	if cfg.LogFormat == config.LogJSON && s.output != formatJSON {
		for _, warning := range warnings {
			log.Warn(warning)
		}
		return
	}
	out := s.stdout
	if w, ok := out.(*written); ok {
		out = w.Writer
	}
	public, operations := "http://"+reachable(info.Public), "http://"+reachable(info.Operations)
	ready := readyAnswer{
		Issuer: info.Issuer, Audience: info.Audience, KID: info.KID,
		Public: public, Operations: operations, Mode: string(info.Mode),
	}
	stores := "Postgres and Redis"
	if info.Mode == config.Embedded {
		ready.DataDir = cfg.DataDir
		if absolute, err := filepath.Abs(cfg.DataDir); err == nil {
			ready.DataDir = absolute
		}
		stores = "SQLite in " + ready.DataDir
	}
	if s.output == formatJSON {
		_ = json.NewEncoder(out).Encode(ready) // one line, for a program that waits for it
		return
	}
	fmt.Fprintf(out, `mintmark is ready.

  issuer       %s
  signing key  %s
  public       %s
  operations   %s (metrics and health, for operators only)
  stores       %s
%s
Try it:

%s
`, info.Issuer, info.KID, told(info.Public), told(info.Operations), stores, paragraphs(warnings), s.tryLines(cfg, ready))
}

// tryLines are three lines that work as printed, in any order with those of the
// README, whose user is the same.
func (s *shell) tryLines(cfg config.Config, ready readyAnswer) string {
	const asJSON = `-H 'Content-Type: application/json'`
	password := samplePassword(cfg.PasswordMinLength)
	first := fmt.Sprintf(`  curl -sS %s/api/authentication/register %s -d '{"username":"ada","email":"ada@example.com","password":"%s"}'`, ready.Public, asJSON, password)
	if cfg.Registration == config.RegistrationClosed {
		create := s.program + " users create ada --email ada@example.com"
		if cfg.DataDir != defaultDataDir && ready.DataDir != "" {
			create += " --data-dir " + quoted(ready.DataDir)
		}
		note := "registration is closed"
		if ready.DataDir == "" {
			note += "; with the settings of serve"
		}
		first = fmt.Sprintf(`  echo '%s' | %s   # %s`, password, create, note)
	}
	return first + fmt.Sprintf(`
  curl -sS %s/api/authentication/login %s -d '{"username":"ada","password":"%s"}'
  curl -sS %s/.well-known/jwks.json
`, ready.Public, asJSON, password, ready.Public)
}

// defaultDataDir needs no flag: the next command uses it, too.
const defaultDataDir = "./mintmark-data"

// samplePassword is the README's password, made longer if the rules require it.
func samplePassword(least int) string {
	const words = "violet tram seven umbrellas"
	password := words
	for len(password) < least {
		password += " " + words
	}
	return password
}

// callable returns what to type to call this program again, given os.Args[0].
func callable(program string) string {
	switch {
	case program == "":
		return "mintmark"
	case builtByGoRun(program):
		return "go run -tags nomsgpack ./cmd/mintmark"
	}
	return quoted(program)
}

// builtByGoRun reports whether program is in one of the places where `go run` keeps what it builds: a temporary folder,
// or the build cache's <hash>-d.
func builtByGoRun(program string) bool {
	folder := filepath.Base(filepath.Dir(program))
	return strings.Contains(program, "go-build") || len(folder) == 66 && strings.HasSuffix(folder, "-d")
}

// quoted writes a word as a shell reads it.
func quoted(word string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-+:@%,=", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
