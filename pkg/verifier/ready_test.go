package verifier_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

func TestAnIssuerThatComesUpLaterIsFoundWithinASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		i.handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		v := i.verifier(t)
		raw := good(firstKey(), "first", time.Now())
		if _, err := v.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrKeysUnavailable) {
			t.Errorf("while the issuer is down: %v", err)
		}
		i.answer(jwks(firstKey()))
		time.Sleep(time.Second)
		mustVerify(t, v, raw)
	})
}

func TestWaitBringsTheKeysOrReportsThatThereAreNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		v := i.verifier(t)
		if err := v.Wait(t.Context()); err != nil || v.Ready() != nil {
			t.Errorf("with an issuer: %v, ready %v", err, v.Ready())
		}
		i.hang()
		start := time.Now()
		if err := i.verifier(t).Wait(t.Context()); !errors.Is(err, verifier.ErrKeysUnavailable) || time.Since(start) != 2*time.Second {
			t.Errorf("while it hangs: %v after %v, want ErrKeysUnavailable after 2s", err, time.Since(start))
		}
		time.Sleep(time.Minute) // the fetch ends by itself
	})
}

func TestReadyBringsTheKeysWithoutWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		v := i.verifier(t)
		if err := v.Ready(); !errors.Is(err, verifier.ErrKeysUnavailable) {
			t.Errorf("before the first fetch: %v", err)
		}
		synctest.Wait()
		if err := v.Ready(); err != nil {
			t.Errorf("after it: %v", err)
		}
		if i.jwks.Load() != 1 {
			t.Errorf("%d fetches", i.jwks.Load())
		}
	})
}
