package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/testserver"
)

func TestOperatorsLearnWhichDependencyIsDown(t *testing.T) {
	t.Parallel()
	for name, proxyOf := range map[string]func(*ownServers) *testserver.Proxy{
		"redis": func(s *ownServers) *testserver.Proxy { return s.redisProxy }, "postgres": func(s *ownServers) *testserver.Proxy { return s.postgresProxy },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := newOwnServers(t)
			a := servers.startReplica(t)
			is := func(up string) bool {
				metrics := string(send(t, http.MethodGet, a.Ops+"/metrics", "", "").Body)
				return strings.Contains(metrics, `mintmark_dependency_up{name="`+name+`"} `+up+"\n")
			}
			details := func() string { return string(send(t, http.MethodGet, a.Ops+"/readyz?verbose", "", "").Body) }
			eventually(t, func() bool { return is("1") && strings.Contains(details(), "- "+name+": up since 20") })
			proxyOf(servers).Cut()
			eventually(t, func() bool { return is("0") && strings.Contains(details(), "- "+name+": down since 20") })
			proxyOf(servers).Heal()
			eventually(t, func() bool { return is("1") && strings.Contains(details(), "- "+name+": up since 20") })
			a.Stop() // so that all is logged
			changes := 0
			for line := range strings.Lines(a.Log.String()) {
				down := strings.Contains(line, `"level":"WARN","msg":"a dependency is down","name":"`+name+`"`)
				up := strings.Contains(line, `"level":"WARN","msg":"a dependency is up again","name":"`+name+`"`)
				if !down && !up {
					continue
				}
				if changes++; down != (changes%2 == 1) {
					t.Errorf("not one warning a change: %s", line)
				}
			}
			if changes == 0 || changes%2 != 0 {
				t.Errorf("%d changes were logged", changes)
			}
		})
	}
}
