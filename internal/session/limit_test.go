package session_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/session"
)

func TestTheLongestIdleSessionGivesWayAfterThoseNobodyCanRefresh(t *testing.T) {
	t.Parallel()
	const idle = 100 * time.Hour
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	of := func(id string, seen, left time.Duration) session.Session {
		return session.Session{ID: id, LastSeenAt: now.Add(-seen), AbsoluteExpiry: now.Add(left)}
	}
	latest, used, unused := of("new", 0, time.Hour), of("used", time.Hour, time.Hour), of("unused", 50*time.Hour, time.Hour)
	expired, lapsed := of("expired", time.Minute, 0), of("lapsed", idle+session.IdleLag, time.Hour)
	all := []session.Session{latest, used, expired, unused, lapsed}
	for name, c := range map[string]struct {
		sessions []session.Session
		limit    int
		want     []string
	}{
		"none":                          {nil, 1, nil},
		"below the limit":               {all, 6, nil},
		"at the limit":                  {all, 5, nil},
		"one above: a dead one":         {all, 4, []string{"lapsed"}},
		"two above: the dead ones":      {all, 3, []string{"lapsed", "expired"}},
		"three above: the longest idle": {all, 2, []string{"lapsed", "expired", "unused"}},
		"a limit of one":                {all, 1, []string{"lapsed", "expired", "unused", "used"}},
		"the new one was not read":      {all[1:], 4, []string{"lapsed"}},
		"the new one is seen least":     {[]session.Session{of("new", 90*time.Hour, time.Hour), used}, 1, []string{"used"}},
		"seen alike: the older login":   {[]session.Session{of("b", 0, time.Hour), of("a", 0, time.Hour), of("c", 0, time.Hour)}, 2, []string{"a", "b"}},
	} {
		var got []string
		for _, s := range session.Surplus(c.sessions, "new", c.limit, now, idle) {
			got = append(got, s.ID)
		}
		if diff := cmp.Diff(got, c.want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
	}
}
