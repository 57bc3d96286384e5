package verifiertest

import (
	"context"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

const (
	// warmUps is how often a verifier is made before the test fails. Each may wait two seconds for the keys and two for the
	// list, so that only a machine that gives a test nothing for most of a minute is too slow.
	warmUps = 20
	// respite passes after one that was told no.
	respite = 50 * time.Millisecond
)

// Verifier is a verifier of the issuer's tokens that knows its keys, and its status list unless that is off: no verdict
// depends on how busy the machine is. One that [verifier.New] makes reads both when the first token comes, and gives up the
// wait after two seconds of the machine's time, whatever the clock of [verifier.WithClock]. It is closed with the test.
//
// The issuer must be up; a test of what happens without it takes it down afterwards, or uses New.
func (i *Issuer) Verifier(opts ...verifier.Option) *verifier.Verifier {
	i.tb.Helper()
	if i.is() != up {
		i.tb.Fatal("verifiertest: Verifier: the issuer is down or stalled, so there is nothing to read: make it before, or by verifier.New")
	}
	var problem error
	for range warmUps {
		// Each time a new one: by a clock that stands still, the cool-down of one that failed would never end.
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

// is the state that the issuer is in.
func (i *Issuer) is() state {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.state
}
