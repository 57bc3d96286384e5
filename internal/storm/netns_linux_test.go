//go:build netns

package storm_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// asHub makes a test run in the network namespace that this process was started in.
const asHub = "MINTMARK_TEST_AS_HUB"

// TestAPromotionOnRealLinksLogsNobodyOutAndRevivesNothing is the same over links
// of the kernel's, where nobody is told that a connection is gone and TCP delivers
// after the cut what was on its way before.
func TestAPromotionOnRealLinksLogsNobodyOutAndRevivesNothing(t *testing.T) {
	t.Parallel()
	if os.Getenv(asHub) == "" {
		runAsHub(t)
		return
	}
	go endWithParent()
	failOver(t, startWired(t))
}

// runAsHub runs the test once more, in a process with a network namespace of its
// own. So no interface, address or route of the machine is touched, two runs are not
// in each other's way, and the kernel removes bridges, links and namespaces with the
// last process that lives in them, however it ended.
func runAsHub(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("network namespaces take root: run `make storm-long` as root; without the build tag netns this test does not exist")
	}
	hub := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=0")
	hub.Env = append(os.Environ(), asHub+"=1")
	hub.Stdout, hub.Stderr = t.Output(), t.Output()
	hub.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if _, err := hub.StdinPipe(); err != nil { // for endWithParent
		t.Fatal(err)
	}
	if err := hub.Run(); err != nil {
		t.Errorf("run in a network namespace: %v", err)
	}
}

const (
	subnet  = "10.213.7."
	hubAddr = subnet + "1"
	// near is the bridge that all are at, far the one for a server that is torn off
	// with the authority, which is at both. One hardware address serves both, so that
	// connections survive the move.
	near, far = "near", "far"
	hardware  = "02:0a:d5:07:00:01"
)

// wires are the network of an ensemble with a namespace for each server.
type wires [2]*room

func (w *wires) tear(t testing.TB, server int) {
	t.Helper()
	ip(t, "route add %s/32 dev %s src %s", w[server].addr, far, hubAddr)
	ip(t, "link set %s master %s", w[server].link, far)
}

func (w *wires) silence(t testing.TB, server int) {
	t.Helper()
	ip(t, "link set %s nomaster", w[server].link)
}

func (w *wires) heal(t testing.TB, server int) {
	t.Helper()
	ip(t, "route flush %s/32 dev %s", w[server].addr, far)
	ip(t, "link set %s master %s", w[server].link, near)
}

func startWired(t testing.TB) *ensemble {
	t.Helper()
	ip(t, "link set lo up")
	for _, bridge := range []string{near, far} {
		ip(t, "link add %s address %s type bridge", bridge, hardware)
		ip(t, "link set %s up", bridge)
	}
	ip(t, "address add %s/24 dev %s", hubAddr, near)

	links := &wires{}
	e := &ensemble{network: links}
	for i := range e.redis {
		r := enterRoom(t, 11+i)
		links[i] = r
		e.redis[i], e.addrs[i] = r.startRedis(t)
	}
	e.follow(t)
	for i := range e.sentinels {
		r := enterRoom(t, 21+i)
		r.do(t, func() {
			started := e.startSentinel(t, "bind 0.0.0.0", "protected-mode no")
			e.sentinels[i] = r.at(started)
		})
	}
	e.awaitSentinels(t)
	return e
}

// room is a network namespace with a link to the hub. A namespace belongs to a
// thread, and to the processes that the thread starts.
type room struct {
	addr string
	link string // the hub's end
	work chan func()
}

// enterRoom makes a namespace and connects it to the near bridge.
func enterRoom(t testing.TB, number int) *room {
	t.Helper()
	r := &room{addr: fmt.Sprint(subnet, number), link: fmt.Sprint("to", number), work: make(chan func())}
	thread, failed := make(chan int, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this function, being of no other use
		failed <- syscall.Unshare(syscall.CLONE_NEWNET)
		thread <- syscall.Gettid()
		for f := range r.work {
			f()
		}
	}()
	t.Cleanup(func() { close(r.work) })
	if err := <-failed; err != nil {
		t.Fatalf("make network namespace: %v", err)
	}
	ip(t, "link add %s type veth peer name out netns %d", r.link, <-thread)
	ip(t, "link set %s up master %s", r.link, near)
	r.do(t, func() {
		ip(t, "link set lo up")
		ip(t, "address add %s/24 dev out", r.addr)
		ip(t, "link set out up")
	})
	return r
}

// do calls f within the namespace.
func (r *room) do(t testing.TB, f func()) {
	t.Helper()
	succeeded := make(chan bool, 1)
	r.work <- func() {
		done := false
		defer func() { succeeded <- done }() // f may end the goroutine, by t.Fatal
		f()
		done = true
	}
	if !<-succeeded {
		t.FailNow()
	}
}

// startRedis starts a Redis in the namespace, with a client that is inside, too.
func (r *room) startRedis(t testing.TB) (*goredis.Client, string) {
	t.Helper()
	var started *testserver.Server
	r.do(t, func() {
		started = testserver.StartRedis(t, "--repl-diskless-sync-delay", "0", "--bind", "0.0.0.0", "--protected-mode", "no")
	})
	options, err := goredis.ParseURL(started.URL())
	if err != nil {
		t.Fatal(err)
	}
	options.Dialer = func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		r.do(t, func() { conn, err = (&net.Dialer{}).DialContext(ctx, network, addr) })
		return conn, err
	}
	client := goredis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	return client, r.at(started)
}

// at is where the others find a server of the room.
func (r *room) at(server *testserver.Server) string {
	_, port, _ := net.SplitHostPort(server.Addr())
	return net.JoinHostPort(r.addr, port)
}

// ip runs the command of that name, in the namespace of whoever calls.
func ip(t testing.TB, format string, arguments ...any) {
	t.Helper()
	words := strings.Fields(fmt.Sprintf(format, arguments...))
	if said, err := exec.Command("ip", words...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(words, " "), err, said)
	}
}
