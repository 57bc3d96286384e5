package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/telemetry"
)

func (s *shell) newServe() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "run the authority",
		Long: `Run the authority until SIGINT or SIGTERM, then let the requests in flight end, for ten
seconds at most. When it is ready it prints where it listens and what to try.

Without any setting it runs embedded, on loopback, with its database and root secret in
./mintmark-data. With MINTMARK_DATABASE_URL, MINTMARK_REDIS_URL and MINTMARK_ROOT_SECRET it
is one of any number of equal replicas. The log goes to standard error.`,
		Example: `  mintmark serve
  mintmark serve --http-addr 127.0.0.1:0 --data-dir /var/lib/mintmark
  mintmark serve --config /etc/mintmark.yaml`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.config(cmd)
			if err != nil {
				return err
			}
			a, err := app.Open(cmd.Context(), cfg, s.log(cfg))
			if err != nil {
				return err
			}
			info, err := a.Info(cmd.Context())
			if err != nil {
				return errors.Join(err, a.Close())
			}
			return a.Run(cmd.Context(), func() { s.announce(cfg, info) })
		},
	}
}

func (s *shell) log(cfg config.Config) *slog.Logger {
	_, person := terminal(s.stderr)
	asJSON := cfg.LogFormat == config.LogJSON || cfg.LogFormat == config.LogAuto && !person
	return telemetry.NewLog(s.stderr, cfg.LogLevel, asJSON)
}

// readyAnswer is the line that tells a program that the authority is ready.
type readyAnswer struct {
	Issuer     string `json:"issuer"`
	Audience   string `json:"audience"`
	KID        string `json:"kid"`
	Public     string `json:"public"`
	Operations string `json:"operations"`
	Mode       string `json:"mode"`
	DataDir    string `json:"data_dir,omitempty"`
}

// announce tells that requests are welcome. A reader that is gone stops no authority.
func (s *shell) announce(cfg config.Config, info app.Info) {
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
		_ = json.NewEncoder(s.stdout).Encode(ready) // one line, for whoever waits for it
		return
	}
	fmt.Fprintf(s.stdout, `mintmark is ready.

  issuer       %s
  signing key  %s
  public       %s
  operations   %s (metrics and health, for operators only)
  stores       %s

Try it:

%s
`, info.Issuer, info.KID, public, operations, stores, tryLines(cfg, public))
}

// tryLines are three lines that work as printed.
func tryLines(cfg config.Config, base string) string {
	const (
		asJSON   = `-H 'Content-Type: application/json'`
		password = "plum anchor velvet tides"
	)
	first := fmt.Sprintf(`  curl -sS %s/api/authentication/register %s -d '{"username":"ada","email":"ada@example.com","password":"%s"}'`, base, asJSON, password)
	if cfg.Registration == config.RegistrationClosed {
		first = fmt.Sprintf(`  echo '%s' | mintmark users create ada --email ada@example.com   # registration is closed`, password)
	}
	return first + fmt.Sprintf(`
  curl -sS %s/api/authentication/login %s -d '{"username":"ada","password":"%s"}'
  curl -sS %s/.well-known/jwks.json
`, base, asJSON, password, base)
}

// reachable is where a person on this machine reaches a listener.
func reachable(addr string) string {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || !at.Addr().IsUnspecified() {
		return addr
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(at.Port())))
}
