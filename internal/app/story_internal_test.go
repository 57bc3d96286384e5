// Hours of timers in one bubble crash the race detector's own runtime now and then, and take it
// minutes; shorter bubbles of this package run under it.

//go:build !race

package app

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// post sends JSON to the first-party API.
func (p *pipes) post(t *testing.T, verb string, body map[string]string) (status int, data map[string]any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: p.dial, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/api/authentication/"+verb, strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Data map[string]any }
	if read, err := io.ReadAll(res.Body); err != nil || json.Unmarshal(read, &answer) != nil {
		t.Fatalf("%s: %d %q, %v", verb, res.StatusCode, read, err)
	}
	return res.StatusCode, answer.Data
}

// TestAWholeSessionIsServedAndExplained: registration, logins, refreshes and a replay, in answers, metrics, events and states.
func TestAWholeSessionIsServedAndExplained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t, "MINTMARK_REGISTRATION=open")
		stop := h.run(t)
		alice := map[string]string{"username": "alice", "password": "violet tram seven umbrellas"}
		want := func(verb string, body map[string]string, status int) map[string]string {
			t.Helper()
			got, data := h.public.post(t, verb, body)
			if got != status {
				t.Fatalf("%s: %d, want %d; the log says\n%s", verb, got, status, h.said)
			}
			pair := make(map[string]string)
			for _, name := range []string{"accessToken", "refreshToken"} {
				pair[name], _ = data[name].(string)
			}
			return pair
		}
		want("register", map[string]string{"username": "alice", "email": "alice@example.com", "password": alice["password"]}, 200)
		want("login", map[string]string{"username": "alice", "password": "wrong"}, 400)
		first := want("login", alice, 200)
		time.Sleep(81*time.Minute + flushEvery/2) // so that the session is seen again, whatever its jitter, and between two flushes
		second := want("refresh-token", first, 200)
		_, roots, err := inForceWithRoots(h.cfg)
		if err != nil {
			t.Fatal(err)
		}
		mint := session.NewMint(h.cfg.Issuer, roots)
		parsed, err := mint.Parse(second["refreshToken"])
		if err != nil {
			t.Fatal(err)
		}
		standing, err := h.store.StandingByFamily(t.Context(), parsed.Family.Hash())
		if err != nil {
			t.Fatal(err)
		}
		state, now, err := (&Stores{states: h.ephemeral.states, durable: h.store}).RotationState(t.Context(), h.cfg, standing.ID)
		if err != nil || state.Cur != 2 || time.Until(now.Median()).Abs() > time.Second {
			t.Errorf("the state of the session is %+v at %+v, %v; want generation 2, now", state, now, err)
		}
		want("refresh-token", second, 200)
		time.Sleep(time.Minute)
		want("refresh-token", first, 400) // a replay
		want("refresh-token", second, 400)
		wantFigures(t, h, map[string]string{
			`mintmark_logins_total{outcome="success"}`:                                     "1",
			`mintmark_logins_total{outcome="refused"}`:                                     "1",
			`mintmark_refresh_verdicts_total{verdict="` + session.Rotated.String() + `"}`:  "2",
			`mintmark_refresh_verdicts_total{verdict="` + session.Replayed.String() + `"}`: "1",
			`mintmark_refresh_verdicts_total{verdict="` + session.Revoked.String() + `"}`:  "1",
		})
		time.Sleep(flushEvery + time.Millisecond)
		events, err := h.store.Events(t.Context(), audit.Query{SessionID: standing.ID, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		var kinds []audit.Kind
		for _, e := range events {
			kinds = append(kinds, e.Kind)
		}
		if diff := cmp.Diff([]audit.Kind{audit.SessionRefused, audit.SessionReplayed, audit.SessionStarted}, kinds); diff != "" {
			t.Errorf("events, the latest first (-want +got):\n%s", diff)
		}
		ended, err := h.store.StandingByID(t.Context(), standing.ID)
		if err != nil || ended.RevokeReason != session.ReasonReplay || ended.Checkpoint < 2 || !ended.LastSeenAt.After(ended.CreatedAt) {
			t.Errorf("the session ended by %q at checkpoint %d, last seen %s, %v", ended.RevokeReason, ended.Checkpoint, ended.LastSeenAt.Sub(ended.CreatedAt), err)
		}
		if h.lists.Revoked() != 1 {
			t.Errorf("%d sessions are in the lists, want 1", h.lists.Revoked())
		}
		wantLine(t, h.said.String(), `level=WARN msg="refresh token replayed; session revoked"`)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAnAddressThatCannotBeListenedOnIsReportedWithItsRemedy(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		syscall.EADDRINUSE:    "stop what uses it, or set X to another address",
		syscall.EADDRNOTAVAIL: "no interface of this machine has that address; set X to one that it has",
		syscall.EACCES:        "ports below 1024 ask for a privilege (CAP_NET_BIND_SERVICE); grant it, or set X to a higher port",
		syscall.EINVAL:        "set X to an address of this machine",
	} {
		if got := advice("X", err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

// TestConnectionErrorsAreLoggedAtDebugLevel: strangers cause it, as often as they like.
func TestConnectionErrorsAreLoggedAtDebugLevel(t *testing.T) {
	t.Parallel()
	var said told
	(&App{log: said.logger()}).server(nil).ErrorLog.Print("reset by peer")
	if got, want := said.String(), "level=DEBUG msg=\"reset by peer\"\n"; got != want {
		t.Errorf("the log says %q, want %q", got, want)
	}
	if h := (&App{log: slog.New(slog.DiscardHandler)}).wrap(http.NotFoundHandler()); h == nil {
		t.Error("without traces nothing is served")
	}
}
