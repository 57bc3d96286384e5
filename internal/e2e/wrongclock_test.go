package e2e_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/testserver"
	"github.com/mintmark-auth/mintmark/internal/testserver/server"
	"github.com/mintmark-auth/mintmark/internal/weather"
)

// service is a weather service of some release, that follows the lists of an authority.
type service struct{ url string }

// startWeather runs the weather service of a program in front of an authority.
func startWeather(t *testing.T, program string, a *authority) service {
	t.Helper()
	addr := freeAddr(t)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, program, "--issuer", a.Issuer, "--audience", a.Issuer, "--addr", addr)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	s := service{"http://" + addr + weather.Path}
	eventually(t, func() bool { return s.get(t, "") == http.StatusUnauthorized })
	return s
}

// newWeather is the weather service of today.
func newWeather(t *testing.T, a *authority) service {
	t.Helper()
	s := httptest.NewServer(weather.Handler(verifierOf(t, a), time.Now))
	t.Cleanup(s.Close)
	return service{s.URL + weather.Path}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	port, err := server.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// get asks for the weather with an access token, and returns the status; 0 while nobody answers.
func (s service) get(t *testing.T, access string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if access != "" {
		req.Header.Set("Authorization", "Bearer "+access)
	}
	got, err := exchange(httpClient(), req)
	if err != nil {
		return 0
	}
	return got.Status
}

// TestServicesOfTwoReleasesLearnOfLogoutsThroughJumpsOfTheDatabasesClock, and so does a replica
// that is started when the clock is right again. The service of today, and the last one from
// before several clocks were compared, follow the lists.
func TestServicesOfTwoReleasesLearnOfLogoutsThroughJumpsOfTheDatabasesClock(t *testing.T) {
	t.Parallel()
	postgres := testserver.StartPostgresWithClock(t)
	c := newClusterOn(t, postgres.URL())
	addr := freeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	c.issuer = "http://localhost:" + port
	a := c.startReplica(t, "MINTMARK_HTTP_ADDR="+addr)
	services := []service{
		newWeather(t, a),
		startWeather(t, programBefore(t, "internal/clock/clock.go", "weather"), a),
	}
	want := func(status int, when string, pairs ...pair) {
		t.Helper()
		for i, s := range services {
			for _, p := range pairs {
				if got := s.get(t, p.Access); got != status {
					t.Errorf("%s: service %d answers %d, want %d", when, i, got, status)
				}
			}
		}
	}
	a.register(t, testUser)
	var over []pair
	for _, jump := range []time.Duration{2 * time.Minute, -2 * time.Minute, time.Hour, -time.Hour, 31 * 24 * time.Hour, -31 * 24 * time.Hour} {
		p := a.login(t, testUser)
		eventually(t, func() bool { return services[0].get(t, p.Access) == 200 && services[1].get(t, p.Access) == 200 })
		postgres.SetClock(jump)
		a.logout(t, p)
		eventually(t, func() bool { return services[0].get(t, p.Access) == 401 && services[1].get(t, p.Access) == 401 })
		over = append(over, p)
		postgres.SetClock(0)
		q := a.login(t, testUser)
		a.logout(t, q)
		eventually(t, func() bool { return services[0].get(t, q.Access) == 401 && services[1].get(t, q.Access) == 401 })
		want(http.StatusUnauthorized, "after "+jump.String(), over...)
		for _, p := range over {
			if at := placeOf(t, p.Access); !a.revoked(t, at) {
				t.Errorf("after %s, place %d is valid again", jump, at.Index)
			}
		}
	}
	fresh := c.startReplica(t)
	for i, p := range over {
		if at := placeOf(t, p.Access); !fresh.revoked(t, at) {
			t.Errorf("at a replica that has just started, place %d of logout %d is valid again", at.Index, i)
		}
	}
}

// TestR1ALogoutReachesServicesAlthoughTheDatabaseStopsAfterTheAnswer: the replica that answered
// knows, and so do those that Redis carries the notice to, although they can't read it.
func TestR1ALogoutReachesServicesAlthoughTheDatabaseStopsAfterTheAnswer(t *testing.T) {
	t.Parallel()
	servers := newOwnServers(t)
	here := servers.startReplica(t)
	elsewhere := testserver.StartProxy(t, servers.Postgres)
	servers.Postgres = elsewhere.URL()
	there := servers.startReplica(t)
	here.register(t, testUser)
	p, kept := here.login(t, testUser), here.login(t, testUser)
	at := placeOf(t, p.Access)
	eventually(t, func() bool { return !there.revoked(t, at) }) // it has read the place
	elsewhere.Stall()
	here.logout(t, p)
	servers.postgresProxy.Stall()
	eventually(t, func() bool { return here.revoked(t, at) })
	eventually(t, func() bool { return there.revoked(t, at) })
	if there.revoked(t, placeOf(t, kept.Access)) {
		t.Error("a session that goes on is in the list")
	}
	servers.postgresProxy.Heal()
	elsewhere.Heal()
}
