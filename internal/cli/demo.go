package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

// demoFlags say which authority the story is played against, and as whom.
type demoFlags struct {
	issuer       string
	audience     string
	username     string
	passwordFile string
}

func (s *shell) newDemo() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use: "demo", Short: "show the life of a session, from registration to a caught replay",
		Long: `Show the life of a session on live servers, and print each request and its answer. A user
registers, logs in and calls a weather service, which refuses the access token once it has
expired. The user refreshes twice; then a thief replays the first refresh token, and the
session ends everywhere. The exit code is 0 if every step went as expected.

Without --issuer it starts its own authority in a temporary directory, with access tokens
that live three seconds. With --issuer it waits twice for the lifetime of that authority's
access tokens; the account that it registers stays there, and it prints the account's name.
If registration is closed, name a user with --username; the password is read from
--password-file or standard input. Tokens are never printed whole.`,
		Example: `  mintmark demo
  mintmark demo --issuer http://localhost:8080
  mintmark demo --issuer https://auth.example.com --username ada --password-file ada.txt`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			outliveReaders()
			return s.demo(cmd.Context(), f)
		},
	}
	// These two hide the settings of the same name: here they speak of another process.
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "use the live authority at this `url`, instead of starting one")
	cmd.Flags().StringVar(&f.audience, "audience", "", "with --issuer: the `aud` of its first-party tokens (default the issuer)")
	cmd.Flags().StringVar(&f.username, "username", "", "log in as this `user` instead of registering one")
	cmd.Flags().StringVar(&f.passwordFile, "password-file", "", "with --username: the `file` that contains the password (default standard input)")
	return cmd
}

func (f *demoFlags) check(cmd *cobra.Command) error {
	setting := givenSetting(cmd)
	switch {
	case setting != "":
		return usagef("--%s has no effect on the demo's own authority; start `mintmark serve` with it and use demo --issuer", setting)
	case f.issuer == "" && (f.audience != "" || f.username != ""):
		return usagef("--audience and --username are for a live authority; name it with --issuer")
	case f.passwordFile != "" && f.username == "":
		return usagef("--password-file needs --username; give both, or neither to register a new user")
	}
	f.issuer = strings.TrimSuffix(f.issuer, "/")
	if f.audience == "" {
		f.audience = f.issuer
	}
	return nil
}

func (s *shell) demo(ctx context.Context, f demoFlags) (err error) {
	who, err := s.demoAccount(ctx, f)
	if err != nil {
		return err
	}
	if f.issuer == "" {
		own, err := startIssuer(ctx)
		if err != nil {
			return fmt.Errorf("start the demo's authority: %w", err)
		}
		defer func() { err = errors.Join(err, own.stop()) }()
		f.issuer, f.audience = own.url, own.audience
	}
	return s.playStory(ctx, f, who)
}

func (s *shell) playStory(ctx context.Context, f demoFlags, who account) (err error) {
	weather, err := startWeather(ctx, f.issuer, f.audience)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, weather.stop()) }()
	var out printer = newTextPrinter(s)
	if s.output == formatJSON {
		out = &jsonPrinter{shell: s}
	}
	story := &story{issuer: f.issuer, audience: f.audience, weather: weather.url, who: who, http: newCaller(), out: out}
	return story.play(ctx)
}

// account is who the story is about.
type account struct {
	username string
	email    string
	password secret.String
	fresh    bool // must be registered first
}

func (s *shell) demoAccount(ctx context.Context, f demoFlags) (account, error) {
	if f.username == "" {
		name := "ada-" + strings.ToLower(rand.Text()[:8])
		return account{username: name, email: name + "@example.com", password: secret.NewString(rand.Text()), fresh: true}, nil
	}
	password, err := s.demoPassword(ctx, f.passwordFile)
	return account{username: f.username, password: password}, err
}

func (s *shell) demoPassword(ctx context.Context, path string) (secret.String, error) {
	if path == "" {
		if s.interactive() {
			text, err := s.askUnseen(ctx, "Password: ")
			if err != nil {
				return secret.String{}, err
			}
			return passwordIn(text, "the answer")
		}
		return s.readPassword(ctx)
	}
	file, err := os.Open(path)
	if err != nil {
		return secret.String{}, usagef("%v; name a file that contains the password with --password-file", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxInput+1))
	if err != nil {
		return secret.String{}, fmt.Errorf("read password: %w", err)
	}
	return passwordIn(string(text), path)
}
