package verifier_test

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// TestAListIsReadAsTheDraftEncodesIt has the draft's own examples (draft-ietf-oauth-status-list §4.1).
func TestAListIsReadAsTheDraftEncodesIt(t *testing.T) {
	t.Parallel()
	for bits, c := range map[int]struct {
		lst      string
		statuses []int
	}{
		1: {"eNrbuRgAAhcBXQ", []int{1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1}},
		2: {"eNo76fITAAPfAgc", []int{1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3}},
		4: {deflated([]byte{0x21, 0x00, 0xf0}), []int{1, 2, 0, 0, 0, 15}},
		8: {deflated([]byte{0, 1, 255}), []int{0, 1, 255}},
	} {
		synctest.Test(t, func(t *testing.T) {
			i := newIssuer(firstKey())
			s := serveList(i)
			s.answer(s.token(nil, nil, set{"status_list": set{"bits": bits, "lst": c.lst}}))
			v := i.verifier(t, failClosed())
			for idx, status := range c.statuses {
				_, err := v.Verify(t.Context(), s.listed(idx))
				if (err == nil) != (status == 0) || (err != nil && !strings.HasSuffix(err.Error(), "its session has ended")) {
					t.Errorf("%d bits: status %d is %d, and the token gets %v", bits, idx, status, err)
				}
			}
			if _, err := v.Verify(t.Context(), s.listed(len(c.statuses))); err == nil || strings.HasSuffix(err.Error(), "has ended") {
				t.Errorf("%d bits: past the end: %v", bits, err)
			}
		})
	}
}

// answer makes s say text, whatever is asked.
func (s *listServer) answer(text string) {
	s.says(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/statuslist+jwt")
		w.Header().Set("ETag", `"x"`)
		io.WriteString(w, text)
	})
}

func (s *listServer) says(f http.HandlerFunc) {
	h := http.Handler(f)
	s.issuer.lists.Store(&h)
}

// TestAForgedListIsNotUsed serves what is no list of the issuer's: nobody is revoked by it, and nobody is cleared.
func TestAForgedListIsNotUsed(t *testing.T) {
	t.Parallel()
	now := func() int64 { return time.Now().Unix() }
	all := bytes.Repeat([]byte{0xff}, 8)
	for name, forge := range map[string]func(s *listServer) string{
		"by another key":       func(s *listServer) string { s.key = secondKey(); return s.token(all, nil, nil) },
		"by no key":            func(s *listServer) string { return s.token(all, set{"alg": "none"}, nil) },
		"HS256":                func(s *listServer) string { return s.token(all, set{"alg": "HS256"}, nil) },
		"of an unknown kid":    func(s *listServer) string { return s.token(all, set{"kid": "third"}, nil) },
		"with a key":           func(s *listServer) string { return s.token(all, set{"jwk": set{}}, nil) },
		"crit":                 func(s *listServer) string { return s.token(all, set{"crit": []string{"exp"}}, nil) },
		"an access token":      func(s *listServer) string { return s.token(all, set{"typ": "at+jwt"}, nil) },
		"JWT":                  func(s *listServer) string { return s.token(all, set{"typ": "JWT"}, nil) },
		"another list":         func(s *listServer) string { return s.token(all, nil, set{"sub": s.uri + "3"}) },
		"no sub":               func(s *listServer) string { return s.token(all, nil, set{"sub": nil}) },
		"another issuer":       func(s *listServer) string { return s.token(all, nil, set{"iss": "https://evil.example.com"}) },
		"expired":              func(s *listServer) string { return s.token(all, nil, set{"exp": now()}) },
		"no exp":               func(s *listServer) string { return s.token(all, nil, set{"exp": nil}) },
		"exp a string":         func(s *listServer) string { return s.token(all, nil, set{"exp": fmt.Sprint(now() + 99)}) },
		"no iat":               func(s *listServer) string { return s.token(all, nil, set{"iat": nil}) },
		"no status_list":       func(s *listServer) string { return s.token(all, nil, set{"status_list": nil}) },
		"a string":             func(s *listServer) string { return s.token(all, nil, set{"status_list": "x"}) },
		"3 bits":               func(s *listServer) string { return s.token(nil, nil, list(3, deflated(all))) },
		"0 bits":               func(s *listServer) string { return s.token(nil, nil, list(0, deflated(all))) },
		"bits a string":        func(s *listServer) string { return s.token(nil, nil, list("1", deflated(all))) },
		"no lst":               func(s *listServer) string { return s.token(nil, nil, set{"status_list": set{"bits": 1}}) },
		"empty lst":            func(s *listServer) string { return s.token(nil, nil, list(1, "")) },
		"an empty list":        func(s *listServer) string { return s.token(nil, nil, list(1, deflated(nil))) },
		"not zlib":             func(s *listServer) string { return s.token(nil, nil, list(1, b64(all))) },
		"not base64url":        func(s *listServer) string { return s.token(nil, nil, list(1, deflated(all)+"=")) },
		"a broken checksum":    func(s *listServer) string { return s.token(nil, nil, list(1, brokenChecksum(all))) },
		"cut off":              func(s *listServer) string { d := deflated(all); return s.token(nil, nil, list(1, d[:len(d)-8])) },
		"a bomb":               func(s *listServer) string { return s.token(nil, nil, list(1, deflatedBomb())) },
		"just too large":       func(s *listServer) string { return s.token(nil, nil, list(1, deflated(make([]byte, 1<<20+1)))) },
		"garbage":              func(*listServer) string { return "garbage" },
		"nothing":              func(*listServer) string { return "" },
		"trailing data":        func(s *listServer) string { return s.token(all, nil, nil) + "\n" },
		"over 1 MiB of it":     func(s *listServer) string { return s.token(all, nil, nil) + strings.Repeat("A", 1<<20) },
		"a dot in the payload": func(s *listServer) string { return strings.Replace(s.token(all, nil, nil), ".", "..", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(firstKey(), secondKey())
				s := serveList(i)
				s.answer(forge(s))
				v, closed := i.verifier(t), i.verifier(t, failClosed())
				defer v.Close()
				defer closed.Close()
				s.key = firstKey()
				mustVerify(t, v, s.listed(1))
				if _, err := closed.Verify(t.Context(), s.listed(1)); !errors.Is(err, verifier.ErrStatusUnavailable) {
					t.Errorf("without a list: got %v", err)
				}

				forged := s.issuer.lists.Load()
				var h http.Handler = s
				i.lists.Store(&h)
				s.revoke(2)
				time.Sleep(4 * time.Second)
				mustRefuse(t, v, s.listed(2))
				i.lists.Store(forged)
				s.cut(false)
				time.Sleep(4 * time.Second)
				for _, v := range []*verifier.Verifier{v, closed} {
					mustVerify(t, v, s.listed(1))
					mustRefuse(t, v, s.listed(2))
				}
			})
		})
	}
}

func list(bits any, lst string) set { return set{"status_list": set{"bits": bits, "lst": lst}} }

func brokenChecksum(packed []byte) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write(packed)
	z.Close()
	b.Bytes()[b.Len()-1] ^= 1
	return b64(b.Bytes())
}

func TestAListMustComeAsOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		text := s.token(make([]byte, 8), nil, nil)
		for name, answer := range map[string]http.HandlerFunc{
			"JSON":         func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "application/json") },
			"no type":      func(http.ResponseWriter, *http.Request) {},
			"an odd type":  func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", ";") },
			"status 404":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) },
			"304 unasked":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) },
			"a redirect":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) },
			"a panic here": func(http.ResponseWriter, *http.Request) { panic("broken") },
		} {
			s.says(func(w http.ResponseWriter, r *http.Request) {
				answer(w, r)
				io.WriteString(w, text)
			})
			v := i.verifier(t, failClosed())
			if _, err := v.Verify(t.Context(), s.listed(1)); !errors.Is(err, verifier.ErrStatusUnavailable) {
				t.Errorf("%s: got %v", name, err)
			}
			v.Close()
		}
		s.says(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "Application/StatusList+JWT; charset=utf-8")
			io.WriteString(w, text)
		})
		v := i.verifier(t, failClosed())
		mustVerify(t, v, s.listed(1))
	})
}

func TestAMalformedStatusIsADefectOfTheToken(t *testing.T) {
	t.Parallel()
	for _, mode := range []verifier.StatusMode{verifier.StatusOn, verifier.StatusFailClosed, verifier.StatusOff} {
		v := newIssuer(firstKey()).ready(t, atEpoch(), verifier.WithStatus(mode))
		uri := issuerURL + "/oauth/status-lists/3"
		for _, status := range []any{
			"x", 1, []int{}, true, set{"status_list": nil}, set{"status_list": "x"}, set{"status_list": []int{1}}, set{"status_list": set{}},
			set{"status_list": set{"idx": 1}}, set{"status_list": set{"uri": uri}}, set{"status_list": set{"idx": "1", "uri": uri}},
			set{"status_list": set{"idx": -1, "uri": uri}}, set{"status_list": set{"idx": 1.5, "uri": uri}}, set{"status_list": set{"idx": 1, "uri": ""}},
			set{"status_list": set{"idx": 1, "uri": 1}}, set{"status_list": set{"idx": 1 << 53, "uri": uri}}, set{"status_list": set{"idx": nil, "uri": uri}},
		} {
			raw := sign(firstKey(), goodHeader, claims(epoch, set{"status": status}))
			if _, err := v.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrInvalidToken) {
				t.Errorf("mode %d, status %v: got %v", mode, status, err)
			}
		}
	}
}

// TestAServerThatDoesNotWaitIsNotHammered has servers without ETag, without waiting, and with a list that is always new.
func TestAServerThatDoesNotWaitIsNotHammered(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]func(n int32) string{
		"no ETag":    func(int32) string { return "" },
		"one ETag":   func(int32) string { return `"same"` },
		"always new": func(n int32) string { return fmt.Sprintf(`"%d"`, n) },
	} {
		synctest.Test(t, func(t *testing.T) {
			i := newIssuer(firstKey())
			s := serveList(i)
			s.says(func(w http.ResponseWriter, _ *http.Request) {
				if etag := header(s.requests.Add(1)); etag != "" {
					w.Header().Set("ETag", etag)
				}
				w.Header().Set("Content-Type", "application/statuslist+jwt")
				io.WriteString(w, s.token(make([]byte, 8), nil, nil))
			})
			v := i.verifier(t)
			mustVerify(t, v, s.listed(1))
			time.Sleep(time.Minute)
			if got := s.requests.Load(); got < 20 || got > 310 {
				t.Errorf("%s: %d requests in a minute, want one every 0.2 to 3 s", name, got)
			}
		})
	}
}

// TestAProxyThatCutsRequestsThatWaitIsLivedWith: the list is then asked for without.
func TestAProxyThatCutsRequestsThatWaitIsLivedWith(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		var cuts atomic.Int32
		s.says(func(w http.ResponseWriter, r *http.Request) {
			if !r.URL.Query().Has("wait") {
				s.ServeHTTP(w, r)
				return
			}
			time.Sleep(2 * time.Second)
			cuts.Add(1)
			w.WriteHeader(http.StatusGatewayTimeout)
		})
		v := i.verifier(t)
		mustVerify(t, v, s.listed(1))
		time.Sleep(5 * time.Minute)
		if got := cuts.Load() + s.requests.Load(); cuts.Load() == 0 || got > 5*70 {
			t.Errorf("%d requests in 5 min, of which %d were cut", got, cuts.Load())
		}
		s.revoke(5)
		time.Sleep(3200 * time.Millisecond) // a cut and a pause
		synctest.Wait()
		mustRefuse(t, v, s.listed(5))
	})
}

// TestAListIsPolledIfNoRequestMayWait has an authority whose places to wait are all taken.
func TestAListIsPolledIfNoRequestMayWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		var refused atomic.Int32
		s.says(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("wait") {
				refused.Add(1)
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			s.ServeHTTP(w, r)
		})
		v := i.verifier(t)
		mustVerify(t, v, s.listed(0))
		for idx := range 60 {
			time.Sleep(1500 * time.Millisecond) // out of step with the verifier, whatever its step
			s.revoke(idx + 1)
			time.Sleep(1200 * time.Millisecond) // the longest pauses, around a refusal
			synctest.Wait()
			mustRefuse(t, v, s.listed(idx+1))
		}
		if all := refused.Load() + s.requests.Load(); all > 2*162+60 {
			t.Errorf("%d requests in 162 s, want some two a second at most, and one for each of 60 revocations", all)
		}
		if refused.Load() == 0 || refused.Load() > s.requests.Load()/3 {
			t.Errorf("%d requests waited and %d did not: want a few to try", refused.Load(), s.requests.Load())
		}
	})
}

// TestTheFirstRequestForAListDoesNotWait: there is nothing to wait for, and an issuer that hangs is found out in five seconds.
func TestTheFirstRequestForAListDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		var queries []string
		var took []time.Duration
		s.says(func(_ http.ResponseWriter, r *http.Request) {
			start := time.Now()
			queries = append(queries, r.URL.RawQuery)
			<-r.Context().Done()
			took = append(took, time.Since(start))
		})
		v := i.verifier(t)
		mustVerify(t, v, s.listed(1))
		time.Sleep(4 * time.Second)
		synctest.Wait()
		v.Close()
		if len(queries) == 0 || queries[0] != "" || took[0] != 5*time.Second {
			t.Errorf("asked with %q for %v", queries, took)
		}
	})
}

// TestAListOfTheFutureKeepsOutNoLaterOne: the clock of one replica is an hour ahead.
func TestAListOfTheFutureKeepsOutNoLaterOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		later := time.Now().Add(31 * time.Second).Unix()
		s.answer(s.token(make([]byte, 8), nil, set{"iat": later, "exp": later + 3600}))
		v, closed := i.verifier(t), i.verifier(t, failClosed())
		defer v.Close()
		defer closed.Close()
		mustVerify(t, v, s.listed(1))
		if _, err := closed.Verify(t.Context(), s.listed(1)); !errors.Is(err, verifier.ErrStatusUnavailable) {
			t.Errorf("with the list of the future alone: %v", err)
		}
		var h http.Handler = s
		i.lists.Store(&h)
		s.revoke(1)
		time.Sleep(3 * time.Second)
		mustRefuse(t, v, s.listed(1))
		mustRefuse(t, closed, s.listed(1))
		mustVerify(t, closed, s.listed(2))
	})
}
