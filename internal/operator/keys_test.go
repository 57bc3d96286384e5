package operator_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/operator"
	"github.com/mintmark-auth/mintmark/internal/secret"
)

// order needs no confirmation and no wait.
func order(why string) keyring.Order {
	return keyring.Order{
		By: grace(), Why: why, Confirm: func(keyring.Switch) error { return nil }, Waiting: func(keyring.Switch, time.Duration) {},
	}
}

// states are those of the keys, in order of activation.
func (b *bench) states(t *testing.T) []keyring.State {
	t.Helper()
	keys, _, err := b.ListKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var states []keyring.State
	for _, k := range keys {
		states = append(states, k.State)
	}
	return states
}

func TestAnOrderOfKeysIsCarriedOutAndNamesItsActor(t *testing.T) {
	t.Parallel()
	for kind, c := range map[audit.Kind]struct {
		give func(b *bench, ctx context.Context, signing string) (keyring.Switch, error)
		want []keyring.State
	}{
		audit.KeyRotated: {func(b *bench, ctx context.Context, _ string) (keyring.Switch, error) {
			return b.RotateKeys(ctx, order(""))
		}, []keyring.State{keyring.Signing, keyring.Published, keyring.Published}},
		audit.KeyRotatedNow: {func(b *bench, ctx context.Context, _ string) (keyring.Switch, error) {
			return b.RotateKeysNow(ctx, order("a test"))
		}, []keyring.State{keyring.Retired, keyring.Signing, keyring.Published}},
		audit.KeyRevoked: {func(b *bench, ctx context.Context, signing string) (keyring.Switch, error) {
			return b.RevokeKey(ctx, signing, time.Hour, order("a test"))
		}, []keyring.State{keyring.Revoked, keyring.Signing, keyring.Published, keyring.Published}},
	} {
		b := newBench(t)
		keys, now, err := b.ListKeys(t.Context())
		if err != nil || len(keys) != 2 || !now.Equal(begin()) {
			t.Fatalf("%d keys at %s, %v", len(keys), now, err)
		}
		if _, err := c.give(b, t.Context(), keys[0].KID); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if diff := cmp.Diff(b.states(t), c.want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", kind, diff)
		}
		events, err := b.ListEvents(t.Context(), audit.Query{Kind: kind, Limit: 2})
		if err != nil || len(events) != 1 || events[0].Actor != grace() {
			t.Errorf("%s leaves %+v, %v", kind, events, err)
		}
	}
}

func TestAnOrderOfKeysIsRefusedForWhatItSaysBeforeASecretIsRead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Secrets = func() (operator.Secrets, error) { return operator.Secrets{}, errOut }
	revoke := func(why string, flushAfter time.Duration) error {
		_, err := b.RevokeKey(t.Context(), "a kid", flushAfter, order(why))
		return err
	}
	rotate := func(why string) error { _, err := b.RotateKeys(t.Context(), order(why)); return err }
	rotateNow := func(why string) error { _, err := b.RotateKeysNow(t.Context(), order(why)); return err }
	most := strings.Repeat("x", operator.MaxWhy)
	for name, c := range map[string]struct{ got, want error }{
		"rotate, no reason":       {rotate(""), errOut},
		"rotate, the longest":     {rotate(most), errOut},
		"rotate, too long":        {rotate(most + "x"), operator.ErrLongWhy},
		"rotate now, no reason":   {rotateNow(" \t"), operator.ErrNoWhy},
		"rotate now, the longest": {rotateNow(most), errOut},
		"rotate now, too long":    {rotateNow(most + "x"), operator.ErrLongWhy},
		"revoke, no reason":       {revoke("", 0), operator.ErrNoWhy},
		"revoke, too long":        {revoke(most+"x", 0), operator.ErrLongWhy},
		"revoke, flush at once":   {revoke("stolen", 0), errOut},
		"revoke, flush latest":    {revoke("stolen", keyPolicy().PublishAhead), errOut},
		"revoke, flush too late":  {revoke("stolen", keyPolicy().PublishAhead+1), operator.ErrFlushAfter},
		"revoke, flush before":    {revoke("stolen", -1), operator.ErrFlushAfter},
	} {
		wantError(t, name, c.got, c.want)
	}
}

func TestAnUnknownKeyIsNotRevoked(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, err := b.RevokeKey(t.Context(), "nobody", 0, order("a test"))
	wantError(t, "revoke", err, keyring.ErrUnknownKey)
	b.wantNone(t, audit.KeyRevoked)
}

// TestAnOrderThatIsInterruptedOrNotConfirmedChangesNothing, and says so.
func TestAnOrderThatIsInterruptedOrNotConfirmedChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, no := range map[string]error{"interrupted": context.Canceled, "not confirmed": errOut} {
		unconfirmed := order("a test")
		unconfirmed.Confirm = func(keyring.Switch) error { return no }
		_, err := b.RotateKeysNow(t.Context(), unconfirmed)
		wantError(t, name, err, no)
		if says := strings.Contains(err.Error(), "nothing was changed"); says != errors.Is(no, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(b.states(t), []keyring.State{keyring.Signing, keyring.Published}); diff != "" {
		t.Errorf("states (-got +want):\n%s", diff)
	}
	b.wantNone(t, audit.KeyRotatedNow)
}

func TestKeysAreResealedWithTheFirstRootSecretOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	two, err := secret.ParseRoots("2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=," + roots)
	if err != nil {
		t.Fatal(err)
	}
	b.Secrets = func() (operator.Secrets, error) { return operator.Secrets{Issuer: issuer, Roots: two}, nil }
	for _, want := range []int{2, 0} {
		if got, err := b.ResealKeys(t.Context(), grace(), func(int, int) {}); err != nil || got != want {
			t.Errorf("%d were resealed, %v; want %d", got, err, want)
		}
	}
	events, err := b.ListEvents(t.Context(), audit.Query{Kind: audit.KeyResealed, Limit: 10})
	if err != nil || len(events) != 2 || events[0].Actor != grace() || events[1].Actor != grace() {
		t.Errorf("events %+v, %v", events, err)
	}
}

func TestAReportOfKeysDistinguishesAWrongSecretFromDamage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	report, err := b.VerifyKeys(t.Context())
	if err != nil || len(report.Keys) != 2 || report.NoneOpens() || report.Asked {
		t.Errorf("all is well, and the report is %+v, %v", report, err)
	}
	b.Secrets = func() (operator.Secrets, error) {
		return operator.Secrets{Issuer: "https://other.example.com", Roots: parsed(t)}, nil
	}
	report, err = b.VerifyKeys(t.Context())
	if err != nil || !report.NoneOpens() {
		t.Errorf("of another issuer, the report is %+v, %v", report, err)
	}
	report.Keys[1].Problem = nil
	if report.NoneOpens() {
		t.Error("one opens")
	}
	report.Keys = report.Keys[:1]
	if report.NoneOpens() {
		t.Error("of one key it can't be told")
	}
}

func TestAReportOfKeysComparesWhatIsServed(t *testing.T) {
	t.Parallel()
	report := operator.KeyReport{Due: []string{"a", "b"}, Served: []string{"c", "b"}, Asked: true}
	if !slices.Equal(report.Missing(), []string{"a"}) || !slices.Equal(report.Unexpected(), []string{"c"}) {
		t.Errorf("missing %v, unexpected %v", report.Missing(), report.Unexpected())
	}
	if !slices.Equal(report.Due, []string{"a", "b"}) || !slices.Equal(report.Served, []string{"c", "b"}) {
		t.Errorf("the report itself is changed: %+v", report)
	}
}
