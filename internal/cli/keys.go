package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/keyring"
)

func (s *shell) newKeys() *cobra.Command {
	return s.group("keys", "see, rotate and revoke the signing keys",
		`A signing key is published before it signs, retires when the next one takes over, and
is removed from the JWKS a while later. serve does all this by itself; use rotate and revoke
to do it sooner. All commands work beside a running serve: replicas follow within seconds.`,
		`  mintmark keys list
  mintmark keys rotate
  mintmark keys rotate --emergency --why "moving to another data centre"
  mintmark keys revoke NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs --why "found in a backup"
  mintmark keys verify`,
		s.newKeysList(), s.newKeysRotate(), s.newKeysRevoke(), s.newKeysVerify(), s.newKeysReseal())
}

func (s *shell) newKeysList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "list signing keys, their states and the next switch",
		Long: `List every signing key, past and present, in order of activation. SEALED BY is the id of the
root secret that its private half is sealed with, or "-" once that is destroyed. NEXT is the
next change of the key's state, and when it comes. The command opens no private key, so it
does not need the root secret.`,
		Example: `  mintmark keys list
  mintmark keys list --output json`,
		Args: arguments(),
		RunE: s.operate(func(ctx context.Context, _ *cobra.Command, o operation, _ []string) error {
			keys, now, err := o.ListKeys(ctx)
			if err != nil {
				return err
			}
			return s.answerKeys(keys, now)
		}),
	}
}

func (s *shell) answerKeys(keys []keyring.Listed, now time.Time) error {
	answer := make([]keyAnswer, 0, len(keys))
	t := table{head: []string{"KID", "STATE", "ALG", "SEALED BY", "PUBLISHED", "SIGNS FROM", "NEXT", "REVOKED"},
		empty: "there are no signing keys; `mintmark serve` makes the first one"}
	for _, k := range keys {
		answer = append(answer, newKeyAnswer(k))
		t.rows = append(t.rows, []string{k.KID, string(k.State), k.Alg, sealedBy(k),
			stampWithAge(k.PublishedAt, now), stampWithAge(signsFrom(k), now), nextOf(k, now), stampWithAge(k.RevokedAt, now)})
	}
	return s.answer(answer, t)
}

// nextOf is what time alone will do to a key.
func nextOf(k keyring.Listed, now time.Time) string {
	in := func(what string, at time.Time) string { return what + " in " + twoUnits(at.Sub(now)) }
	switch {
	case k.State == keyring.Published && k.RipeAt.After(now) && k.RipeAt.Before(k.ActivatesAt):
		return in("ripe", k.RipeAt)
	case k.State == keyring.Published:
		return in("signs", k.ActivatesAt)
	case k.State == keyring.Signing && !k.RetiresAt.IsZero():
		return in("retires", k.RetiresAt)
	case k.State == keyring.Retired:
		return in("removed", k.RemovedAt)
	default:
		return ""
	}
}

// twoUnits writes a duration more exactly than span: operators wait for it.
func twoUnits(d time.Duration) string {
	const day = 24 * time.Hour
	for _, unit := range []time.Duration{day, time.Hour, time.Minute} {
		if d >= unit && d%unit >= time.Second {
			return span(d) + " " + span(d%unit)
		}
	}
	return span(d)
}

// signsFrom is zero for a key that was revoked before its turn.
func signsFrom(k keyring.Listed) time.Time {
	if k.State == keyring.Revoked && !k.RevokedAt.After(k.ActivatesAt) {
		return time.Time{}
	}
	return k.ActivatesAt
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
	RipeAt      string `json:"ripe_at,omitempty"`
	ActivatesAt string `json:"activates_at,omitempty"` // none: revoked before its turn
	RetiresAt   string `json:"retires_at,omitempty"`
	RemovedAt   string `json:"removed_at,omitempty"`
	RevokedAt   string `json:"revoked_at,omitempty"`
}

func newKeyAnswer(k keyring.Listed) keyAnswer {
	a := keyAnswer{
		KID: k.KID, State: string(k.State), Alg: k.Alg, SealedBy: k.SealedBy,
		PublishedAt: stamp(k.PublishedAt), ActivatesAt: stamp(signsFrom(k)),
		RetiresAt: stamp(k.RetiresAt), RemovedAt: stamp(k.RemovedAt), RevokedAt: stamp(k.RevokedAt),
	}
	if k.State == keyring.Published {
		a.RipeAt = stamp(k.RipeAt)
	}
	return a
}
