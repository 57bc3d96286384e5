package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/operator"
)

func (s *shell) newKeysRotate() *cobra.Command {
	var emergency bool
	var why string
	cmd := &cobra.Command{
		Use: "rotate", Short: "make the standby sign before its time",
		Long: `Make the standby sign, 70 seconds from now, so that all replicas switch at one instant.
The key that signs now retires and stays in the JWKS for MINTMARK_KEYS_RETAIN, so all its
tokens stay valid. The command refuses while the standby is unripe, that is, not yet
published for MINTMARK_KEYS_PUBLISH_AHEAD: verifiers that cache the JWKS may not know it.
It also refuses while the clocks of this machine, the database and Redis disagree.

With --emergency the switch happens at once, even if the standby is unripe. If the standby
has just been published, the command waits, ten seconds at most, so that every replica
serves it before it signs. It goes by the clocks that agree.

If the key that signs was stolen, revoke it instead: verifiers still accept a retired key.`,
		Example: `  mintmark keys rotate
  mintmark keys rotate --emergency --why "moving to another data centre" --yes`,
		Args: arguments(),
		RunE: s.operate(func(ctx context.Context, cmd *cobra.Command, o operation, _ []string) error {
			return s.rotate(ctx, cmd, o, emergency, why)
		}),
	}
	cmd.Flags().BoolVar(&emergency, "emergency", false, "switch at once, even if the standby is unripe")
	cmd.Flags().StringVar(&why, "why", "", "the `reason`, for the audit trail; required with --emergency")
	addYes(cmd)
	return cmd
}

func (s *shell) rotate(ctx context.Context, cmd *cobra.Command, o operation, emergency bool, why string) error {
	turn := o.RotateKeys
	order := s.order(o, why, func(to keyring.Switch) error {
		return s.confirm(cmd, harmful, "Let %s sign from 70 seconds on, instead of %s?", to.To.KID, to.From.KID)
	})
	if emergency {
		turn = o.RotateKeysNow
		order.Confirm = func(to keyring.Switch) error {
			return s.confirm(cmd, irreversible, "Let %s sign at once, instead of %s? It is published for %s; verifiers that cache the JWKS for longer refuse its tokens meanwhile.",
				to.To.KID, to.From.KID, span(to.StandbyAge))
		}
	}
	done, err := turn(ctx, order)
	if err != nil {
		return inFlags(err, "what the emergency is")
	}
	return s.done(newSwitchAnswer("rotate", done), "key %s signs from %s%s; %s retires then and stays published",
		done.To.KID, stamp(done.At), age(done), done.From.KID)
}

func (s *shell) newKeysRevoke() *cobra.Command {
	var why string
	var flushAfter time.Duration
	cmd := &cobra.Command{
		Use: "revoke KID", Short: "remove a stolen key from the JWKS, forever",
		Long: `Remove a signing key from the JWKS forever: nothing brings it back, and verifiers refuse
every token that it signed once they read the JWKS again. If it is the key that signs now, the
standby signs instead, at once; if the standby has just been published, the command waits,
ten seconds at most.

A fresh key takes over after --flush-after: verifiers that read the JWKS only when they meet
an unknown kid then drop the revoked key. With --flush-after 0s the fresh key takes over as
soon as every replica has published it.

Clients refresh and get a token under the new key; no session ends.`,
		Example: `  mintmark keys revoke NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs --why "found in a backup"
  mintmark keys revoke "$KID" --why "stolen" --flush-after 0s --yes`,
		Args: arguments("KID"),
		RunE: s.operate(func(ctx context.Context, cmd *cobra.Command, o operation, args []string) error {
			return s.revokeKey(ctx, cmd, o, args[0], flushAfter, why)
		}),
	}
	cmd.Flags().StringVar(&why, "why", "", "the `reason`, for the audit trail")
	cmd.Flags().DurationVar(&flushAfter, "flush-after", time.Hour, "when a fresh key takes over from the standby, to flush the caches of verifiers")
	addYes(cmd)
	return cmd
}

func (s *shell) revokeKey(ctx context.Context, cmd *cobra.Command, o operation, kid string, flushAfter time.Duration, why string) error {
	done, err := o.RevokeKey(ctx, kid, flushAfter, s.order(o, why, func(to keyring.Switch) error {
		if to.To.KID == "" {
			return s.confirm(cmd, irreversible, "Revoke %s forever? It does not sign now; verifiers will refuse the tokens that it signed.", kid)
		}
		return s.confirm(cmd, irreversible, "Revoke %s, which signs now, forever? %s takes over, and verifiers will refuse every current access token.", kid, to.To.KID)
	}))
	if errors.Is(err, operator.ErrFlushAfter) {
		return usagef("--flush-after is from 0s to MINTMARK_KEYS_PUBLISH_AHEAD (%s), not %s", o.cfg.KeysPublishAhead, flushAfter)
	}
	if err != nil {
		return inFlags(err, "why the key is revoked")
	}
	if done.To.KID == "" {
		return s.done(newSwitchAnswer("revoke", done), "key %s is revoked and out of the JWKS; it did not sign. A fresh key signs from %s", kid, stamp(done.FreshAt))
	}
	return s.done(newSwitchAnswer("revoke", done), "key %s is revoked and out of the JWKS; %s signs since %s%s, and a fresh key from %s",
		kid, done.To.KID, stamp(done.At), age(done), stamp(done.FreshAt))
}

// inFlags says of an order that was refused for its reason which flag to mend, and what
// to say there.
func inFlags(err error, what string) error {
	switch {
	case errors.Is(err, operator.ErrNoWhy):
		return usagef("--why is missing: say for the audit trail %s", what)
	case errors.Is(err, operator.ErrLongWhy):
		return usagef("--why is longer than %d bytes; put the rest into your incident report", operator.MaxWhy)
	}
	return err
}

// order is what the verbs have in common; it reports a wait while that lasts.
func (s *shell) order(o operation, why string, confirm func(keyring.Switch) error) keyring.Order {
	return keyring.Order{By: o.by, Why: why, Confirm: confirm, Waiting: func(to keyring.Switch, wait time.Duration) {
		fmt.Fprintf(s.stderr, "key %s was published only %s ago; waiting %s, until every replica serves it\n",
			to.To.KID, to.StandbyAge.Round(time.Second), wait.Round(time.Second))
	}}
}

// age says since when the key that takes over has been published, where that matters:
// verifiers may not know it yet.
func age(done keyring.Switch) string {
	return " (published for " + span(done.StandbyAge) + ")"
}

type switchAnswer struct {
	Done             string `json:"done"`
	Revoked          string `json:"revoked,omitempty"`
	From             string `json:"from,omitempty"` // kids
	To               string `json:"to,omitempty"`
	SignsFrom        string `json:"signs_from,omitempty"`
	PublishedFor     string `json:"published_for,omitempty"`
	FreshKeySignFrom string `json:"fresh_key_signs_from,omitempty"`
}

func newSwitchAnswer(verb string, done keyring.Switch) switchAnswer {
	answer := switchAnswer{
		Done: verb, Revoked: done.Revoked.KID, From: done.From.KID, To: done.To.KID,
		SignsFrom: stamp(done.At), FreshKeySignFrom: stamp(done.FreshAt),
	}
	if done.To.KID != "" {
		answer.PublishedFor = done.StandbyAge.Round(time.Second).String()
	}
	return answer
}
