package storm_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// leaving is MINTMARK_SHUTDOWN_DELAY as production has it by default.
const leaving = 5 * time.Second

var (
	nginxUpstream = regexp.MustCompile(`(?s)upstream \w+ \{.*?\}`)
	nginxIdle     = regexp.MustCompile(`\skeepalive_timeout (\d+s);`)
	nginxServer   = regexp.MustCompile(`server mintmark:8080 resolve (.*);`)
	nginxError    = regexp.MustCompile(`(?m)^.* \[(error|crit|alert|emerg)\] .*$`)
)

func nginxConf(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestNginxGivesUpIdleConnectionsBeforeALeavingReplicaDoes: a request on one of them might come as it is closed.
func TestNginxGivesUpIdleConnectionsBeforeALeavingReplicaDoes(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(nil, []string{
		"MINTMARK_DATABASE_URL=postgres://mintmark@localhost/mintmark", "MINTMARK_REDIS_URL=redis://localhost",
		"MINTMARK_ROOT_SECRET=" + secret.GenerateRoots().Encode().Reveal(),
	}, nil)
	if err != nil || cfg.ShutdownDelay != leaving {
		t.Fatalf("the delay is %s, %v; this test knows %s", cfg.ShutdownDelay, err, leaving)
	}
	upstreams := nginxUpstream.FindAllString(nginxConf(t), -1)
	if len(upstreams) != 2 {
		t.Fatalf("%d upstreams, want 2", len(upstreams))
	}
	for _, upstream := range upstreams {
		idle := nginxIdle.FindStringSubmatch(upstream)
		if idle == nil {
			t.Errorf("no keepalive_timeout, so 60 s:\n%s", upstream)
			continue
		}
		if kept, err := time.ParseDuration(idle[1]); err != nil || kept >= leaving {
			t.Errorf("idle connections are kept for %s, %v; want less than %s:\n%s", kept, err, leaving, upstream)
		}
	}
}

// TestRestartsOneAfterAnotherLoseNoRequest: three replicas behind nginx, as deploy/nginx.conf sets it up, leave and come
// back one after another under load, ten times in a long run. Nobody retries but nginx, and it only where a
// connection is refused.
func TestRestartsOneAfterAnotherLoseNoRequest(t *testing.T) {
	t.Parallel()
	s := newStage(t, testserver.StartRedis(t).URL())
	for range 3 {
		s.addReplica(t, "MINTMARK_TRUSTED_PROXIES=127.0.0.1/32")
	}
	nginx := s.balance(t)
	newCaller(t).register(t, nginx.URL())

	l := startLoad(t, nginx.URL())
	rounds, restarts := 1, 0
	if long(t) > 0 {
		rounds = 10
	}
	for range rounds {
		for _, r := range s.replicas {
			l.await(t, 50)
			l.surge()
			r.leave(t, l)
			r.start(t)
			restarts++
		}
	}
	l.await(t, 50)
	l.stop()
	t.Logf("%d restarts of %d replicas", restarts, len(s.replicas))
	l.judge(t)
	judgeNginx(t, nginx.Log(), restarts)
	if t.Failed() {
		s.complain(t)
	}
}

// leave ends a replica in good order. Many requests come as it is asked to, and, on connections that nobody used since,
// as it closes them, more or less.
func (r *replica) leave(t testing.TB, l *load) {
	t.Helper()
	p := r.life.Load()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	l.surge()
	wait(leaving + time.Duration(rand.Int64N(int64(40*time.Millisecond))) - 20*time.Millisecond)
	l.surge()
	select {
	case <-p.ended:
	case <-time.After(longEnough):
		t.Fatalf("a replica has not left %s after SIGTERM:\n%s", leaving+longEnough, p.said)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("a replica that left has exited with %d, want 0:\n%s", code, p.said)
	}
}

// balance starts nginx with the project's own configuration before all replicas, which here have no name to resolve.
func (s *stage) balance(t testing.TB) *testserver.Server {
	t.Helper()
	var replicas strings.Builder
	for _, r := range s.replicas {
		fmt.Fprintf(&replicas, "server %s $1;\n", r.public)
	}
	listen := freeAddr(t)
	configuration := nginxServer.ReplaceAllString(nginxConf(t), replicas.String())
	configuration = strings.Replace(configuration, "listen 8080;", "listen "+listen+";", 1)
	if strings.Contains(configuration, ":8080") || !strings.Contains(configuration, listen) {
		t.Fatalf("deploy/nginx.conf has other servers or listeners than this test knows:\n%s", configuration)
	}
	_, port, _ := net.SplitHostPort(listen)
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return testserver.StartNginx(t, number, configuration)
}

// judgeNginx finds what clients can't see: a request that reached a replica, got no answer, and was repeated.
func judgeNginx(t testing.TB, log string, restarts int) {
	t.Helper()
	refused, lost := 0, 0
	for _, line := range nginxError.FindAllString(log, -1) {
		if strings.Contains(line, "connect() failed (") {
			refused++
			continue
		}
		if lost++; lost <= 20 {
			t.Errorf("nginx: %s", line)
		}
	}
	t.Logf("nginx: %d connections refused, whose requests went to another replica; %d requests lost at a replica (goal 0)", refused, lost)
	if refused < restarts {
		t.Errorf("nginx met %d refused connections in %d restarts: this run proved nothing", refused, restarts)
	}
}
