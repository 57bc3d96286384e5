package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/keyring"
)

func (s *shell) newKeys() *cobra.Command {
	return s.group("keys", "list the signing keys",
		`A signing key is published before it signs, retires when the next one takes over, and
is removed from the JWKS a while later. serve does all that by itself.`,
		`  mintmark keys list`,
		s.newKeysList())
}

func (s *shell) newKeysList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "list signing keys and their states",
		Long: `List every signing key there ever was, in order of activation. SEALED BY is the id of the
root secret that its private half is sealed with. No private key is opened, so the root
secret is not needed.`,
		Example: `  mintmark keys list
  mintmark keys list --output json`,
		Args: arguments(),
		RunE: s.atDesk(func(ctx context.Context, _ *cobra.Command, d desk, _ []string) error {
			keys, err := app.SigningKeys(ctx, d.cfg, d.Stores)
			if err != nil {
				return err
			}
			now := time.Now()
			answer := make([]keyAnswer, 0, len(keys))
			t := table{head: []string{"KID", "STATE", "ALG", "SEALED BY", "PUBLISHED", "SIGNS FROM", "REVOKED"}, empty: "there are no signing keys; `mintmark serve` makes the first one"}
			for _, k := range keys {
				answer = append(answer, keyAnswer{
					KID: k.KID, State: string(k.State), Alg: k.Alg, SealedBy: k.SealedBy,
					PublishedAt: stamp(k.PublishedAt), ActivatesAt: stamp(k.ActivatesAt), RevokedAt: stamp(k.RevokedAt),
				})
				t.rows = append(t.rows, []string{k.KID, string(k.State), k.Alg, sealedBy(k),
					stamp(k.PublishedAt), stampWithAge(k.ActivatesAt, now), stampWithAge(k.RevokedAt, now)})
			}
			return s.answer(answer, t)
		}),
	}
}

// sealedBy is empty once the private half is destroyed.
func sealedBy(k keyring.Listed) string {
	if k.SealedBy == 0 {
		return ""
	}
	return strconv.Itoa(int(k.SealedBy))
}

type keyAnswer struct {
	KID         string `json:"kid"`
	State       string `json:"state"`
	Alg         string `json:"alg"`
	SealedBy    byte   `json:"sealed_by,omitempty"`
	PublishedAt string `json:"published_at"`
	ActivatesAt string `json:"activates_at"`
	RevokedAt   string `json:"revoked_at,omitempty"`
}
