package storm_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestTwoAddressesNeverShutOthersOut, though each opens thousands of connections and sends half a request line on each.
func TestTwoAddressesNeverShutOthersOut(t *testing.T) {
	f := newFlood(t, 2, 5100) // together more than there are places
	asked, failed := f.whileHonestCallersAsk(func() { f.rise("GET /.well-known/jw") })
	t.Logf("2 addresses with %d connections each: %d honest requests, %d failed; RSS grew by %s", f.each, asked, failed, mebibytes(f.grown()))
	if failed > 0 || asked == 0 {
		t.Errorf("%d of %d honest requests failed", failed, asked)
	}
}

// TestUnfinishedHeadersTakeLittleMemory, also from addresses that are each within their own bound.
func TestUnfinishedHeadersTakeLittleMemory(t *testing.T) {
	f := newFlood(t, 20, 150)
	header := "GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 60)
	asked, failed := f.whileHonestCallersAsk(func() { f.rise(header) })
	grown := f.grown()
	t.Logf("20 addresses with %d connections each, and 60 KB of an unfinished header on each: RSS grew by %s; %d honest requests, %d failed", f.each, mebibytes(grown), asked, failed)
	if failed > 0 || asked == 0 {
		t.Errorf("%d of %d honest requests failed", failed, asked)
	}
	if grown > 64<<20 && !racing() { // the detector takes several times as much
		t.Errorf("RSS grew by %s", mebibytes(grown))
	}
}

// flood is a crowd of strangers at one authority, which has a process of its own.
type flood struct {
	*testing.T
	*process
	addresses, each int
	before          int // octets
}

func newFlood(t *testing.T, addresses, each int) *flood {
	if long(t) == 0 {
		each /= 5
	}
	raiseOpenFiles(t, addresses*each+500)
	p := spawn(t, "MINTMARK_DATA_DIR="+t.TempDir(), "MINTMARK_HTTP_ADDR=127.0.0.1:0", "MINTMARK_OPS_ADDR=127.0.0.1:0", "MINTMARK_LOG_LEVEL=error")
	f := &flood{T: t, process: p, addresses: addresses, each: each}
	f.before = f.memory("VmRSS:")
	return f
}

// rise opens all connections and says text on each. They stay open until the test ends.
func (f *flood) rise(text string) {
	var all sync.WaitGroup
	for n := range f.addresses {
		all.Go(func() {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(n+1))}, Timeout: longEnough}
			for range f.each {
				c, err := dialer.DialContext(f.Context(), "tcp", strings.TrimPrefix(f.public, "http://"))
				if err != nil {
					f.Errorf("a stranger can't even connect: %v", err)
					return
				}
				f.Cleanup(func() { c.Close() })
				_ = c.SetWriteDeadline(time.Now().Add(longEnough))
				_, _ = io.WriteString(c, text) // it may be closed already, which is the point
			}
		})
	}
	all.Wait()
}

// whileHonestCallersAsk counts the requests of four callers from another address, each on a connection of its own, while
// do lasts and 20 times each when it has come about.
func (f *flood) whileHonestCallersAsk(do func()) (asked, failed int64) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 2, 1)}}
	client := &http.Client{Timeout: longEnough, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext}}
	var tries, faults atomic.Int64
	over := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for left := 20; left > 0; {
				tries.Add(1)
				if err := ask(client, f.public+"/.well-known/jwks.json"); err != nil {
					faults.Add(1)
					f.Log(err)
				}
				select {
				case <-over:
					left--
				default:
				}
			}
		})
	}
	do()
	close(over)
	all.Wait()
	return tries.Load(), faults.Load()
}

func ask(client *http.Client, url string) error {
	res, err := client.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %w", res.Status, err)
	}
	return nil
}

// grown is by how much the memory of the process was larger at its peak than before.
func (f *flood) grown() int { return f.memory("VmHWM:") - f.before }

// memory is a line of proc_pid_status(5), in octets.
func (f *flood) memory(line string) int {
	f.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.cmd.Process.Pid))
	if err != nil {
		f.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), line)
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kib, err := strconv.Atoi(number)
	if err != nil {
		f.Fatalf("%s %v", line, err)
	}
	return kib << 10
}

func mebibytes(octets int) string { return fmt.Sprintf("%.1f MiB", float64(octets)/(1<<20)) }

// raiseOpenFiles lets this process have so many files open, or fails.
func raiseOpenFiles(t *testing.T, most int) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max < uint64(most) {
		t.Fatalf("the flood takes %d open files, and this process may have %d: raise the hard limit (ulimit -Hn)", most, limit.Max)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}

// racing reports whether the race detector is built in.
func racing() bool {
	info, _ := debug.ReadBuildInfo()
	for _, setting := range info.Settings {
		if setting.Key == "-race" {
			return setting.Value == "true"
		}
	}
	return false
}
