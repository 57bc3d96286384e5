package verifiertest_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
	"github.com/mintmark-auth/mintmark/pkg/verifier/verifiertest"
)

// TestAVerifierOfTheKitHasReadKeysAndList: with the issuer gone, nothing is left to read and nothing to wait for.
func TestAVerifierOfTheKitHasReadKeysAndList(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	issuer.Revoke("ended")
	for name, mode := range map[string]verifier.StatusMode{"on": verifier.StatusOn, "fail closed": verifier.StatusFailClosed, "off": verifier.StatusOff} {
		issuer.Up()
		v := issuer.Verifier(verifier.WithStatus(mode))
		issuer.Down()
		if err := verify(v, issuer.Token()); err != nil {
			t.Errorf("%s: a good token: %v", name, err)
		}
		var want error
		if mode != verifier.StatusOff {
			want = verifier.ErrInvalidToken
		}
		if err := verify(v, issuer.Token(verifiertest.Claims{"sid": "ended"})); !errors.Is(err, want) {
			t.Errorf("%s: a session that has ended: %v, want %v", name, err, want)
		}
	}
}

// TestAVerifierOfTheKitIsTriedAgain where its first requests fail, though by its clock no time passes.
func TestAVerifierOfTheKitIsTriedAgain(t *testing.T) {
	t.Parallel()
	start := time.Now()
	issuer := verifiertest.NewIssuer(t, verifiertest.WithClock(func() time.Time { return start }))
	var requests atomic.Int32
	client := &http.Client{Transport: failing{&requests, map[int32]bool{1: true, 3: true, 6: true}}} // metadata, keys, and a list
	v := issuer.Verifier(verifier.WithClock(func() time.Time { return start }), verifier.WithHTTPClient(client), verifier.WithStatus(verifier.StatusFailClosed))
	if err := verify(v, issuer.Token()); err != nil {
		t.Error(err)
	}
	if requests.Load() < 9 {
		t.Errorf("%d requests were made: none of those that failed was tried again", requests.Load())
	}
}

// failing is a network that loses the requests of these numbers.
type failing struct {
	requests *atomic.Int32
	lost     map[int32]bool
}

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if n := f.requests.Add(1); f.lost[n] {
		return nil, fmt.Errorf("request %d is lost", n)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestAVerifierOfAnIssuerThatIsDownFailsTheTestAtOnce, and says what to do.
func TestAVerifierOfAnIssuerThatIsDownFailsTheTestAtOnce(t *testing.T) {
	t.Parallel()
	for name, breakIt := range map[string]func(*verifiertest.Issuer){"down": (*verifiertest.Issuer).Down, "stalled": (*verifiertest.Issuer).Stall} {
		failed := &failingTest{TB: t}
		issuer := verifiertest.NewIssuer(failed)
		breakIt(issuer)
		func() {
			defer func() { _ = recover() }() // as a test ends at Fatal
			issuer.Verifier()
		}()
		if !strings.Contains(failed.said, "verifier.New") {
			t.Errorf("%s: the test was told %q", name, failed.said)
		}
	}
}

// failingTest is a test that may fail.
type failingTest struct {
	testing.TB
	said string
}

func (f *failingTest) Fatal(args ...any) {
	f.said = fmt.Sprint(args...)
	panic(f.said)
}
