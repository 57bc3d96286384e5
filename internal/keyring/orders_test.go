package keyring_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/keyring"
)

const (
	day  = 24 * time.Hour
	tock = time.Microsecond // the grain of the stores
)

// The keys of an authority at rest: the one that signs took over twelve hours ago, its
// standby has been ripe for as long.
var (
	removed = given{name: "removed", published: -63 * day, signs: -60*day - 12*time.Hour, half: destroyed}
	retired = given{name: "retired", published: -33 * day, signs: -30*day - 12*time.Hour, half: destroyed}
	signing = given{name: "signing", published: -3 * day, signs: -12 * time.Hour}
	standby = given{name: "standby", published: -2*day - 12*time.Hour, signs: 29*day + 12*time.Hour}
	revoked = given{name: "revoked", published: -50 * day, signs: -40 * day, revoked: -35 * day, half: destroyed}
)

// atRest returns these keys, some of them as the test wants them.
func atRest(others ...given) []given {
	keys := []given{removed, retired, signing, standby, revoked}
	for _, other := range others {
		for i := range keys {
			if keys[i].name == other.name {
				keys[i] = other
			}
		}
	}
	return keys
}

// Of these keys, those that differ in what became of their private half, in the time of
// their turn, and in how long they have been published.
func half(key given, state state) given              { key.half = state; return key }
func turning(key given, at time.Duration) given      { key.signs = at; return key }
func published(key given, since time.Duration) given { key.published = since; return key }

// giving is a verb of a keyring, as an operator or the owner calls it.
type giving func(ctx context.Context, r *ring) (keyring.Switch, error)

func maintain(ctx context.Context, r *ring) (keyring.Switch, error) {
	return keyring.Switch{}, r.Maintain(ctx)
}

func rotate(ctx context.Context, r *ring) (keyring.Switch, error) { return r.Rotate(ctx, r.order()) }

func rotateNow(ctx context.Context, r *ring) (keyring.Switch, error) {
	return r.RotateNow(ctx, r.order())
}

func revoke(name string, flushAfter time.Duration) giving {
	return func(ctx context.Context, r *ring) (keyring.Switch, error) {
		return r.Revoke(ctx, r.kid(name), flushAfter, r.order())
	}
}

// situation is one order in one situation.
type situation struct {
	keys []given
	give giving
	err  error
}

// TestEachOrderChangesWhatItSaysAndRecordsIt gives every order in every situation, and
// compares what comes of it with testdata/orders.txt: what the operator was asked and
// told, the keys that are others afterwards (no other is), and the events.
func TestEachOrderChangesWhatItSaysAndRecordsIt(t *testing.T) {
	t.Parallel()
	outcomes := readOutcomes(t)
	for _, situations := range []map[string]situation{maintenance(), rotations(), emergencies(), revocations()} {
		for name, s := range situations {
			want, ok := outcomes[name]
			if !ok {
				t.Errorf("testdata/orders.txt lacks %q", name)
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) {
					if diff := cmp.Diff(s.play(t), want); diff != "" {
						t.Errorf("what came of it (-got +want):\n%s", diff)
					}
				})
			})
		}
	}
}

func (s situation) play(t *testing.T) (outcome []string) {
	r := newRing(t, s.keys...)
	done, err := s.give(bound(t), r)
	if !errors.Is(err, s.err) {
		t.Errorf("got %v, want %v", err, s.err)
	}
	outcome = slices.Concat(r.told, r.changes(t), r.happened())
	if said := r.tell(done); said != "" {
		outcome = append(outcome, "done "+said)
	}
	return outcome
}

// readOutcomes reads what each situation comes to, under its name.
func readOutcomes(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("testdata/orders.txt")
	if err != nil {
		t.Fatal(err)
	}
	outcomes := make(map[string][]string)
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		lines := strings.Split(strings.TrimSpace(section), "\n")
		outcomes[lines[0]] = slices.Concat(lines[1:]) // nil where nothing comes of it
	}
	return outcomes
}

func maintenance() map[string]situation {
	next := given{name: "next", published: -time.Hour, signs: 30 * day}
	return map[string]situation{
		"maintain at rest":              {keys: atRest(), give: maintain},
		"maintain nothing":              {give: maintain},
		"maintain the first":            {keys: []given{{name: "signing"}}, give: maintain},
		"maintain before a switch":      {keys: atRest(turning(standby, 2*day)), give: maintain},
		"maintain a tick earlier":       {keys: atRest(turning(standby, 2*day+tock)), give: maintain},
		"maintain at the turn":          {keys: atRest(turning(standby, 0)), give: maintain},
		"maintain before the turn":      {keys: append(atRest(turning(standby, tock)), next), give: maintain},
		"maintain after the turn":       {keys: append(atRest(turning(standby, -tock)), next), give: maintain},
		"maintain leftover halves":      {keys: atRest(half(retired, sound), half(revoked, sound), half(removed, damaged)), give: maintain},
		"maintain a damaged standby":    {keys: atRest(half(standby, damaged)), give: maintain},
		"maintain a stump of a standby": {keys: atRest(half(standby, stump)), give: maintain},
		"maintain a lost standby":       {keys: atRest(half(standby, destroyed)), give: maintain},
		"maintain a foreign standby":    {keys: atRest(half(standby, foreign)), give: maintain},
		"maintain one damaged of two":   {keys: append(atRest(half(standby, damaged)), next), give: maintain},
		"maintain damaged at its turn":  {keys: append(atRest(half(turning(standby, 0), damaged)), next), give: maintain},
		"maintain removed":              {keys: append(atRest(turning(signing, -3*day), turning(standby, -quick.Retain)), next), give: maintain},
		"maintain not yet removed":      {keys: append(atRest(turning(signing, -3*day), turning(standby, tock-quick.Retain)), next), give: maintain},
		"maintain removed by a damaged": {keys: append(atRest(turning(signing, -3*day), half(turning(standby, -quick.Retain), damaged)), next), give: maintain, err: keyring.ErrUnsealable},
		"maintain damaged before it":    {keys: append(atRest(half(turning(standby, tock), damaged)), next), give: maintain},
		"maintain beside a damaged one": {keys: atRest(half(signing, damaged), half(standby, damaged)), give: maintain},
		"maintain a taken turn":         {keys: []given{{name: "signing"}, {name: "gone", signs: 30 * day, revoked: -tock, half: destroyed}}, give: maintain},
		"maintain all revoked":          {keys: []given{revoked}, give: maintain},
		"maintain what was revoked":     {keys: append(atRest(), given{name: "gone", signs: 9 * day, revoked: -tock, half: damaged}), give: maintain},
		"maintain foreign keys":         {keys: []given{half(signing, foreign)}, give: maintain, err: keyring.ErrUnsealable},
		"maintain foreign keys at rest": {keys: atRest(half(signing, foreign), half(standby, foreign)), give: maintain},
		"maintain beside a foreign one": {keys: []given{half(retired, foreign), signing}, give: maintain},
	}
}

func rotations() map[string]situation {
	return map[string]situation{
		"rotate":                    {keys: atRest(), give: rotate},
		"rotate a ripe one":         {keys: atRest(published(standby, -2*day)), give: rotate},
		"rotate an unripe one":      {keys: atRest(published(standby, -2*day+tock)), give: rotate, err: keyring.ErrUnripe},
		"rotate before a switch":    {keys: atRest(turning(standby, keyring.RotateLead)), give: rotate, err: keyring.ErrSwitching},
		"rotate a tick earlier":     {keys: atRest(turning(standby, keyring.RotateLead+tock)), give: rotate},
		"rotate the first":          {keys: []given{signing}, give: rotate, err: keyring.ErrUnripe},
		"rotate nothing":            {give: rotate, err: keyring.ErrNoStandby},
		"rotate to a damaged one":   {keys: atRest(half(standby, damaged)), give: rotate, err: keyring.ErrUnripe},
		"rotate to a foreign one":   {keys: atRest(half(standby, foreign)), give: rotate, err: keyring.ErrUnsealable},
		"rotate from a foreign":     {keys: atRest(half(signing, foreign)), give: rotate},
		"rotate to a taken turn":    {keys: append(atRest(), given{name: "gone", signs: keyring.RotateLead, revoked: -tock, half: destroyed}), give: rotate},
		"rotate to the next of two": {keys: append(atRest(), given{name: "next", published: -50 * day, signs: 60 * day}), give: rotate},
	}
}

func emergencies() map[string]situation {
	return map[string]situation{
		"emergency":                    {keys: atRest(), give: rotateNow},
		"emergency, settled":           {keys: atRest(published(standby, -keyring.Settled)), give: rotateNow},
		"emergency, not quite settled": {keys: atRest(published(standby, -keyring.Settled+tock)), give: rotateNow},
		"emergency, unsettled":         {keys: atRest(published(standby, -4*time.Second)), give: rotateNow},
		"emergency after a switch":     {keys: atRest(turning(signing, -keyring.Settled+tock)), give: rotateNow, err: keyring.ErrSwitching},
		"emergency a tick later":       {keys: atRest(turning(signing, -keyring.Settled)), give: rotateNow},
		"emergency of the first":       {keys: []given{{name: "signing", published: -time.Second, signs: -time.Second}}, give: rotateNow},
		"emergency of nothing":         {give: rotateNow, err: keyring.ErrNoStandby},
		"emergency to a damaged one":   {keys: atRest(half(standby, damaged)), give: rotateNow},
		"emergency to a foreign one":   {keys: atRest(half(standby, foreign)), give: rotateNow, err: keyring.ErrUnsealable},
		"emergency at a taken turn":    {keys: append(atRest(), given{name: "gone", published: -day, revoked: -tock, half: destroyed}), give: rotateNow},
		"emergency to the next of two": {keys: append(atRest(), given{name: "next", published: -50 * day, signs: 60 * day}), give: rotateNow},
	}
}

func revocations() map[string]situation {
	gone := func(signs time.Duration) given {
		return given{name: "gone", published: -day, signs: signs, revoked: -tock, half: destroyed}
	}
	const flush = time.Hour
	return map[string]situation{
		"revoke the signing":            {keys: atRest(), give: revoke("signing", flush)},
		"revoke, flush at once":         {keys: atRest(), give: revoke("signing", 0)},
		"revoke, flush late enough":     {keys: atRest(), give: revoke("signing", keyring.Settled+tock)},
		"revoke, flush too soon":        {keys: atRest(), give: revoke("retired", keyring.Settled-tock)},
		"revoke, settled":               {keys: atRest(published(standby, -keyring.Settled)), give: revoke("signing", flush)},
		"revoke, not quite settled":     {keys: atRest(published(standby, -keyring.Settled+tock)), give: revoke("signing", flush)},
		"revoke, unsettled":             {keys: atRest(published(standby, -4*time.Second)), give: revoke("signing", flush)},
		"revoke the standby":            {keys: atRest(), give: revoke("standby", flush)},
		"revoke the next of two":        {keys: append(atRest(), given{name: "next", published: -day, signs: 60 * day}), give: revoke("next", 0)},
		"revoke a retired":              {keys: atRest(), give: revoke("retired", flush)},
		"revoke a removed":              {keys: atRest(), give: revoke("removed", flush)},
		"revoke a revoked":              {keys: atRest(), give: revoke("revoked", flush), err: keyring.ErrKeyRevoked},
		"revoke an unknown":             {keys: atRest(), give: revoke("nobody", flush), err: keyring.ErrUnknownKey},
		"revoke the only one":           {keys: []given{signing}, give: revoke("signing", flush)},
		"revoke of nothing":             {give: revoke("nobody", flush), err: keyring.ErrUnknownKey},
		"revoke beside a damaged one":   {keys: atRest(half(standby, damaged)), give: revoke("signing", flush)},
		"revoke a damaged one":          {keys: atRest(half(standby, damaged)), give: revoke("standby", flush), err: keyring.ErrKeyRevoked},
		"revoke beside a foreign one":   {keys: atRest(half(standby, foreign)), give: revoke("signing", flush), err: keyring.ErrUnsealable},
		"revoke a foreign one":          {keys: atRest(half(standby, foreign)), give: revoke("standby", flush)},
		"revoke of foreign keys":        {keys: atRest(half(signing, foreign), half(standby, foreign)), give: revoke("standby", flush), err: keyring.ErrUnsealable},
		"revoke at a taken turn":        {keys: append(atRest(), gone(0)), give: revoke("signing", flush)},
		"revoke, unsettled and taken":   {keys: append(atRest(published(standby, -4*time.Second)), gone(0)), give: revoke("signing", flush)},
		"revoke to a taken fresh turn":  {keys: append(atRest(), gone(flush)), give: revoke("signing", flush)},
		"revoke, taken for the retired": {keys: append(atRest(), gone(flush)), give: revoke("retired", flush)},
	}
}

// TestARetiredKeyThatOpensHidesNoWrongRootSecret: its private half is kept for a while, but it
// shows nothing about the keys that sign.
func TestARetiredKeyThatOpensHidesNoWrongRootSecret(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, atRest(half(removed, sound), half(retired, sound), half(signing, foreign), half(standby, foreign))...)
		before := r.read()
		if err := r.Maintain(bound(t)); !errors.Is(err, keyring.ErrUnsealable) {
			t.Errorf("got %v, want %v", err, keyring.ErrUnsealable)
		}
		if diff := cmp.Diff(before, r.read()); diff != "" {
			t.Errorf("keys were changed (-before +after):\n%s", diff)
		}
	})
}
