package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/operator"
)

const (
	jwksTimeout = 5 * time.Second
	maxJWKS     = 1 << 20
)

func (s *shell) newKeysVerify() *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use: "verify", Short: "check every stored key, and the JWKS that is served",
		Long: `Check that the kid of every stored key is the thumbprint of its public half, that the root
secret opens its private half, that the two halves belong together, and that the JWKS of the
issuer contains exactly the right keys. If anything is wrong, the exit code is 1, and the
command prints the kid and what to do.

The command asks the replica that answers at the issuer's address. If none answers, it checks
only the stored keys and the exit code is 5, since nobody knows what is served; with
--offline, for example after restoring a backup, it does not ask.`,
		Example: `  mintmark keys verify
  mintmark keys verify --offline --output json`,
		Args: arguments(),
		RunE: s.operate(func(ctx context.Context, _ *cobra.Command, o operation, _ []string) error {
			found, notCompared, err := s.verifyKeys(ctx, o, offline)
			if err != nil {
				return err
			}
			return s.answerVerified(found, notCompared)
		}),
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "don't ask the issuer for its JWKS")
	return cmd
}

// verifyKeys inspects the keys and asks the issuer, again for as long as a replica may
// be late.
func (s *shell) verifyKeys(ctx context.Context, o operation, offline bool) (found operator.KeyReport, notCompared, err error) {
	for late := time.Duration(0); ; late += time.Second {
		if found, err = o.VerifyKeys(ctx); err != nil || offline {
			return found, nil, err
		}
		if found.Served, err = servedKIDs(ctx, o.cfg); err != nil {
			return found, fmt.Errorf("%w: %w", errNotCompared, err), ctx.Err()
		}
		found.Asked = true
		if len(differences(found)) == 0 || late >= keyring.Settled {
			return found, nil, nil
		}
		if late == 0 {
			fmt.Fprintf(s.stderr, "the served JWKS has the wrong keys; asking again for %s, because a replica may be late\n", keyring.Settled)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return found, nil, ctx.Err()
		}
	}
}

// differences are what is served and should not be, or the reverse.
func differences(found operator.KeyReport) []error {
	var problems []error
	for _, kid := range found.Missing() {
		problems = append(problems, fmt.Errorf("key %s should be served but is not; check that every replica reads this database", kid))
	}
	for _, kid := range found.Unexpected() {
		problems = append(problems, fmt.Errorf("key %q is served but should not be; check that every replica reads this database", kid))
	}
	return problems
}

// errNotCompared is an issuer that could not be asked. Damaged keys are worse: they decide the exit code.
var errNotCompared = errors.New("the served JWKS was not compared")

func (s *shell) answerVerified(found operator.KeyReport, notCompared error) error {
	var problems []error
	closed := found.NoneOpens()
	answer := make([]verifiedAnswer, 0, len(found.Keys))
	t := table{head: []string{"KID", "STATE", "STORED", "SERVED"}, empty: "there are no signing keys; `mintmark serve` makes the first one"}
	for _, k := range found.Keys {
		one := verifiedAnswer{KID: k.KID, State: string(k.State), Stored: "good", Served: "not asked"}
		if k.Problem != nil {
			one.Stored = "damaged"
			if !closed {
				problems = append(problems, fmt.Errorf("%w; %s", k.Problem, remedy(k)))
			}
		}
		if found.Asked {
			one.Served = map[bool]string{true: "yes", false: "no"}[slices.Contains(found.Served, k.KID)]
		}
		answer = append(answer, one)
		t.rows = append(t.rows, []string{one.KID, one.State, one.Stored, one.Served})
	}
	if closed {
		problems = append(problems, fmt.Errorf("no signing key opens: %w; this root secret or issuer is not that of serve", found.Keys[0].Problem))
	}
	if found.Asked {
		problems = append(problems, differences(found)...)
	}
	if err := s.answer(answer, t); err != nil {
		return err
	}
	if len(problems) == 0 {
		return notCompared
	}
	if notCompared != nil {
		problems = append(problems, notCompared)
	}
	return keyProblems(problems)
}

// remedy is what an operator does about a damaged key.
func remedy(k keyring.Inspected) string {
	switch k.State {
	case keyring.Published:
		return "serve replaces it within seconds; or `mintmark keys revoke " + k.KID + "`"
	case keyring.Signing:
		return "restore the row from a backup; if that can't be, `mintmark keys revoke " + k.KID + "`"
	default:
		return "restore the row from a backup"
	}
}

// keyProblems is what is wrong with the keys, each on a line of its own.
type keyProblems []error

func (p keyProblems) Error() string { return errors.Join(p...).Error() }

func servedKIDs(ctx context.Context, cfg config.Config) ([]string, error) {
	cfg, err := app.InForce(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, jwksTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.Issuer+"/.well-known/jwks.json", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Cache-Control", "no-cache") // the authority's word, not that of a cache in between
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", request.URL, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxJWKS))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", request.URL, err)
	}
	return keyring.KIDs(body)
}

type verifiedAnswer struct {
	KID    string `json:"kid"`
	State  string `json:"state"`
	Stored string `json:"stored"` // good or damaged
	Served string `json:"served"` // yes, no or not asked
}
