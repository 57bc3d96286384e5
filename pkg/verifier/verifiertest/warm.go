package verifiertest

import (
	"context"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

const (
	// warmUps is how many verifiers are tried before the test fails. Each may wait two seconds for the keys and two for
	// the list, so that a machine is too slow only if it stalls a test for most of a minute.
	warmUps = 20
	// respite passes after a failed try.
	respite = 50 * time.Millisecond
)

// Verifier returns a verifier that has already read the issuer's keys, and its status list unless that is off, so that
// no verdict depends on how busy the machine is. A verifier from [verifier.New] reads both when the first token comes,
// and gives up the wait after two seconds of real time, whatever the clock of [verifier.WithClock]. The verifier is
// closed at the end of the test.
//
// The issuer must be up. To test what happens without it, call [Issuer.Down] afterwards, or use [verifier.New].
func (i *Issuer) Verifier(opts ...verifier.Option) *verifier.Verifier {
	i.tb.Helper()
	if i.is() != up {
		i.tb.Fatal("verifiertest: Verifier: the issuer is down or stalled, so there is nothing to read: make it before, or by verifier.New")
	}
	var problem error
	for range warmUps {
		// Make a new one each time: with a clock that stands still, the cool-down of a failed one would never end.
		v, err := verifier.New(i.url, i.audience, opts...)
		if err != nil {
			i.tb.Fatal(err)
		}
		if problem = i.warm(i.tb.Context(), v); problem == nil {
			i.tb.Cleanup(v.Close)
			return v
		}
		v.Close()
		<-time.After(respite)
	}
	i.tb.Fatalf("verifiertest: Verifier: the issuer is up, and the verifier has not read its keys and its list: %v", problem)
	return nil
}

func (i *Issuer) warm(ctx context.Context, v *verifier.Verifier) error {
	if err := v.Wait(ctx); err != nil {
		return err
	}
	return v.Follow(ctx, i.statusURI())
}

// is returns the state of the issuer.
func (i *Issuer) is() state {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.state
}
