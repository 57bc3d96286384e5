package cli

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/torture"
)

// clientSecretVariable holds the secret of --client where no flag gives it.
const clientSecretVariable = "TORTURE_CLIENT_SECRET"

// tortureFlags say what is tortured, and with what.
type tortureFlags struct {
	method, body string
	headers      []string

	issuer, audience, scope, typ, claims string

	token, client, clientSecret string
	testKey, kid, ownIssuer     string

	trap                                             string
	only, skip                                       []string
	yes                                              bool
	within                                           time.Duration
	timeout, wait, leeway, keysWithin, revokedWithin time.Duration
	list                                             bool
}

func (s *shell) newTorture() *cobra.Command {
	var f tortureFlags
	cmd := &cobra.Command{
		Use: "torture URL", Short: "send forged and damaged tokens to a resource service",
		Long: `Send forged and damaged access tokens to an endpoint of any resource service, and report
what it wrongly accepted and what it wrongly refused. The exit code is 0 if nothing went
wrong, 1 if anything did, 5 if the service or its issuer can't be reached.

A good token, from --token or --client, is enough for every case that needs no good
signature. The others (expired, for another audience, a removed key, a revoked session …)
need one of these; without one, they are listed as not tried:

  --own-issuer ADDR  the command is an issuer while it runs; point the service at it
  --test-key @FILE   an RSA key in PEM that the service already trusts

Never point a service with real data at --own-issuer. The command sends one request at a
time, a few hundred in all, to the URL and the issuer only. The service carries out good
requests, some 20 times: name an endpoint where that does no harm. Tokens are never
printed. A token or secret may be - for standard input or @FILE.`,
		Example: `  mintmark torture https://orders.example.com/orders --issuer https://auth.example.com \
    --audience https://orders.example.com --token @token.txt
  mintmark torture http://127.0.0.1:8090/WeatherForecast --own-issuer 127.0.0.1:9400 \
    --audience https://orders.example.com --scope orders:read
  mintmark torture --list`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.list {
				return arguments()(cmd, args)
			}
			return arguments("URL")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if name := givenSetting(cmd); name != "" {
				return usagef("--%s is a setting of the authority, which torture does not run", name)
			}
			if f.list {
				return s.answerCatalogue()
			}
			return s.torture(cmd.Context(), args[0], f)
		},
	}
	f.register(cmd)
	return cmd
}

func (f *tortureFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	// These two hide the settings of the same name: here they speak of another process.
	flags.StringVar(&f.issuer, "issuer", "", "the issuer that the service trusts, as in the `iss` of its tokens")
	flags.StringVar(&f.audience, "audience", "", "the name of the service, as in the `aud` of its tokens (default that of --token)")
	flags.StringVar(&f.scope, "scope", "", "the `scope` that the endpoint requires")
	flags.StringVar(&f.token, "token", "", "a good access `token` of the issuer")
	flags.StringVar(&f.client, "client", "", "the `id` of a client to which the issuer grants good tokens (client credentials)")
	flags.StringVar(&f.clientSecret, "client-secret", "", "with --client: its secret, as - or `@file` (default the variable "+clientSecretVariable+")")
	flags.StringVar(&f.ownIssuer, "own-issuer", "", "be the issuer, at this `address`; add --issuer if the service uses another URL for it")
	flags.StringVar(&f.testKey, "test-key", "", "an RSA private key that the service trusts, as `@file`")
	flags.StringVar(&f.kid, "kid", "", "with --test-key: the `name` the key is published under")
	flags.StringVar(&f.typ, "typ", "at+jwt", "with --own-issuer or --test-key: the `typ` of good tokens")
	flags.StringVar(&f.claims, "claims", "", "with --own-issuer or --test-key: more claims that good tokens need, as a `json` object or @file")
	flags.StringVar(&f.method, "method", http.MethodGet, "the `method` of a good request")
	flags.StringArrayVar(&f.headers, "header", nil, "a `header` of a good request, as \"Name: value\"; {token} in it is replaced by the token")
	flags.StringVar(&f.body, "body", "", "the `body` of a good request, or @file")
	flags.StringVar(&f.trap, "trap", "127.0.0.1:0", "the `address` that forged key URLs point to, to detect whether the service fetches them")
	flags.StringSliceVar(&f.only, "only", nil, "run only these cases, by `id`")
	flags.StringSliceVar(&f.skip, "skip", nil, "leave these cases out, by `id`")
	flags.BoolVar(&f.yes, "yes", false, "allow a good request with a method other than GET and HEAD; the command sends it some 20 times")
	flags.DurationVar(&f.within, "within", 10*time.Minute, "end early if the command takes longer, and print the findings so far")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "how long to wait for an answer before the request counts as hung")
	flags.DurationVar(&f.wait, "wait", time.Minute, "with --own-issuer: how long to wait until the service trusts it")
	flags.DurationVar(&f.leeway, "leeway", time.Minute, "the clock difference that the service may tolerate")
	flags.DurationVar(&f.keysWithin, "keys-within", time.Minute, "with --own-issuer: how long the service may take to notice changed keys")
	flags.DurationVar(&f.revokedWithin, "revoked-within", 0, "with --own-issuer: how long a service that follows status lists may take to notice a revoked session")
	flags.BoolVar(&f.list, "list", false, "print the cases and send nothing")
}

// check looks for flags that make no sense together or alone.
func (f *tortureFlags) check() error {
	ways := 0
	for _, way := range []string{f.token, f.client, f.testKey, f.ownIssuer} {
		if way != "" {
			ways++
		}
	}
	switch {
	case ways != 1:
		return usagef("give one of --token, --client, --test-key and --own-issuer, which make good tokens")
	case f.clientSecret != "" && f.client == "":
		return usagef("--client-secret needs --client; give both")
	case f.kid != "" && f.testKey == "":
		return usagef("--kid needs --test-key; give both")
	case f.claims != "" && f.testKey == "" && f.ownIssuer == "":
		return usagef("--claims go into tokens of our own making; they need --own-issuer or --test-key")
	case f.revokedWithin > 0 && f.ownIssuer == "":
		return usagef("--revoked-within needs --own-issuer: only an issuer can end a session")
	case f.only != nil && len(f.only) == 0:
		return usagef("--only names no case; `mintmark torture --list` shows which there are")
	case f.timeout <= 0, f.wait <= 0, f.keysWithin <= 0, f.within <= 0:
		return usagef("--timeout, --wait, --keys-within and --within are out of range at 0 and below; give times like 10s")
	case f.leeway < 0, f.revokedWithin < 0:
		return usagef("--leeway and --revoked-within can't be negative; give times like 30s")
	}
	return nil
}

// headerName is a field name (RFC 9110 §5.1).
var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// errTortured says that the service failed. The report has said how.
var errTortured = errors.New("the service failed")

func (s *shell) torture(ctx context.Context, url string, f tortureFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	cfg, err := s.tortureConfig(ctx, url, f)
	if err != nil {
		return err
	}
	if err := cfg.Check(); err != nil {
		return usagef("%s", oneLine(err.Error()))
	}
	_, person := terminal(s.stderr)
	if person {
		cfg.Progress = func(done, all int, id string) { fmt.Fprintf(s.progress, "\r\x1b[K%d of %d  %s", done, all, id) }
	}
	report, err := torture.Run(ctx, cfg)
	if person {
		fmt.Fprint(s.progress, "\r\x1b[K")
	}
	if err != nil {
		return err
	}
	if err := s.answerTorture(report); err != nil {
		return err
	}
	switch {
	case report.Stopped != "":
		return fmt.Errorf("%w: stopped early: %s", errTortured, report.Stopped)
	case report.Failed():
		return fmt.Errorf("%w: %s", errTortured, tally(report, true))
	}
	return nil
}

func (s *shell) tortureConfig(ctx context.Context, url string, f tortureFlags) (torture.Config, error) {
	cfg := torture.Config{
		Issuer: f.issuer, Audience: f.audience, Scope: f.scope, Typ: f.typ,
		OwnIssuer: f.ownIssuer, TestKeyKID: f.kid, Trap: f.trap, Only: f.only, Skip: f.skip, Within: f.within,
		Timeout: f.timeout, Leeway: f.leeway, KeysWithin: f.keysWithin, RevokedWithin: f.revokedWithin,
	}
	if f.ownIssuer != "" {
		cfg.Wait = f.wait
		cfg.Ready = func(issuer string) {
			fmt.Fprintf(s.stderr, "issuer %s is up: configure the service to trust it, with the audience %s; waiting up to %v until it accepts a good token\n",
				clean(issuer), clean(f.audience), f.wait)
		}
	}
	var err error
	if cfg.Target, err = s.tortureTarget(ctx, url, f); err != nil {
		return cfg, err
	}
	return cfg, s.tortureSecrets(ctx, f, &cfg)
}

// tortureTarget is what a good request looks like.
func (s *shell) tortureTarget(ctx context.Context, url string, f tortureFlags) (torture.Target, error) {
	target := torture.Target{URL: url, Method: f.method, Header: http.Header{}, Body: f.body}
	if _, err := http.NewRequestWithContext(ctx, f.method, "http://localhost", nil); err != nil {
		return target, usagef("--method %q is no method; give one like POST", f.method)
	}
	if f.method != http.MethodGet && f.method != http.MethodHead && !f.yes {
		return target, usagef("a good %s is carried out some 20 times, whatever it does; name an endpoint where that does no harm, and give --yes", f.method)
	}
	for _, header := range f.headers {
		name, value, ok := strings.Cut(header, ":")
		if !ok || !headerName.MatchString(strings.TrimSpace(name)) || strings.ContainsAny(header, "\r\n\x00") {
			return target, usagef("a --header is no header; give it as \"Name: value\"")
		}
		target.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if strings.HasPrefix(f.body, "@") {
		body, _, err := s.secretText(ctx, f.body)
		if err != nil {
			return target, err
		}
		target.Body = body
	}
	return target, nil
}

// tortureSecrets reads what good tokens are made of.
func (s *shell) tortureSecrets(ctx context.Context, f tortureFlags, cfg *torture.Config) (err error) {
	if f.token != "" {
		if cfg.Token, err = s.secretArgument(ctx, f.token); err != nil {
			return err
		}
	}
	if f.client != "" {
		secret, err := s.clientSecret(ctx, f.clientSecret)
		if err != nil {
			return err
		}
		cfg.Client = &torture.Client{ID: f.client, Secret: secret}
	}
	if f.testKey != "" {
		if cfg.TestKey, err = s.testKey(ctx, f.testKey); err != nil {
			return err
		}
	}
	if f.claims != "" {
		text, place, err := s.secretText(ctx, f.claims)
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(text), &cfg.Claims); err != nil || cfg.Claims == nil {
			return usagef("--claims: %s holds no JSON object; give one like {\"tenant\":\"t1\"}", place)
		}
	}
	return nil
}

func (s *shell) clientSecret(ctx context.Context, word string) (string, error) {
	if word == "" {
		for _, entry := range s.environ {
			if secret, ok := strings.CutPrefix(entry, clientSecretVariable+"="); ok && secret != "" {
				return secret, nil
			}
		}
		return "", usagef("--client needs its secret: set %s, or give --client-secret as - or @file", clientSecretVariable)
	}
	if word != "-" && !strings.HasPrefix(word, "@") {
		return "", usagef("a secret is not taken from the command line, where others see it; give --client-secret as - or @file")
	}
	return s.secretArgument(ctx, word)
}

func (s *shell) testKey(ctx context.Context, word string) (*rsa.PrivateKey, error) {
	if word != "-" && !strings.HasPrefix(word, "@") {
		return nil, usagef("a key is not taken from the command line, where others see it; give --test-key as - or @file")
	}
	text, place, err := s.secretText(ctx, word)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode([]byte(text)); block != nil {
		if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
			return key, nil
		}
		if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, ok := parsed.(*rsa.PrivateKey); ok {
				return key, nil
			}
		}
	}
	return nil, usagef("--test-key: %s holds no RSA private key in PEM (PKCS #1 or PKCS #8, not encrypted)", place)
}
