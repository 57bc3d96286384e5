package verifier

import (
	"bytes"
	"compress/zlib"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestKeysAtTheBoundsAreRead, and those a step beyond are not.
func TestKeysAtTheBoundsAreRead(t *testing.T) {
	t.Parallel()
	odd := func(bits int) []byte { return new(big.Int).SetBit(big.NewInt(1), bits-1, 1).Bytes() }
	rsaKey := func(change map[string]any) map[string]any {
		key := map[string]any{"kty": "RSA", "kid": "k", "n": b64(odd(2048)), "e": "AQAB"}
		for name, value := range change {
			key[name] = value
		}
		return key
	}
	e := func(n int64) map[string]any { return map[string]any{"e": b64(big.NewInt(n).Bytes())} }
	n := func(bits int) map[string]any { return map[string]any{"n": b64(odd(bits))} }
	for name, c := range map[string]struct {
		change map[string]any
		ok     bool
	}{
		"2048 bits": {nil, true}, "2047 bits": {n(2047), false}, "8192 bits": {n(8192), true}, "8193 bits": {n(8193), false},
		"e 65537": {e(65537), true}, "e 65535": {e(65535), false}, "e 2^31-1": {e(1<<31 - 1), true}, "e 2^31+1": {e(1<<31 + 1), false}, "e even": {e(65538), false},
		"kid of 256": {map[string]any{"kid": strings.Repeat("k", 256)}, true}, "kid of 257": {map[string]any{"kid": strings.Repeat("k", 257)}, false},
		"use sig": {map[string]any{"use": "sig"}, true}, "use enc": {map[string]any{"use": "enc"}, false},
		"key_ops among others": {map[string]any{"key_ops": []string{"encrypt", "verify"}}, true}, "key_ops sign": {map[string]any{"key_ops": []string{"sign"}}, false},
		"d": {map[string]any{"d": "AA"}, false}, "p": {map[string]any{"p": "AA"}, false}, "q": {map[string]any{"q": "AA"}, false}, "dp": {map[string]any{"dp": "AA"}, false},
		"dq": {map[string]any{"dq": "AA"}, false}, "qi": {map[string]any{"qi": "AA"}, false}, "oth": {map[string]any{"oth": []any{}}, false}, "k": {map[string]any{"k": "AA"}, false},
	} {
		keys, err := parseKeys(encoded(t, map[string]any{"keys": []any{rsaKey(c.change)}}), []string{"RS256"}, slog.New(slog.DiscardHandler))
		if (err == nil) != c.ok || len(keys) == 1 != c.ok {
			t.Errorf("%s: %d keys, %v", name, len(keys), err)
		}
		for _, key := range keys {
			public, ok := key.public.(*rsa.PublicKey)
			if !ok || b64(public.N.Bytes()) != rsaKey(c.change)["n"] || b64(big.NewInt(int64(public.E)).Bytes()) != rsaKey(c.change)["e"] || key.algorithm.name != "RS256" {
				t.Errorf("%s: read as %+v", name, key)
			}
		}
	}
	for count, ok := range map[int]bool{1: true, 100: true, 101: false} {
		all := make([]any, count)
		for i := range all {
			all[i] = rsaKey(map[string]any{"kid": fmt.Sprint(i)})
		}
		keys, err := parseKeys(encoded(t, map[string]any{"keys": all}), []string{"RS256"}, slog.New(slog.DiscardHandler))
		if (err == nil) != ok || ok && len(keys) != count {
			t.Errorf("of %d keys %d are read, %v", count, len(keys), err)
		}
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAnAlgorithmIsWhatItsNameSays, in hash, key and padding.
func TestAnAlgorithmIsWhatItsNameSays(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"RS256": "RSA  SHA-256 false", "RS384": "RSA  SHA-384 false", "RS512": "RSA  SHA-512 false",
		"PS256": "RSA  SHA-256 true", "PS384": "RSA  SHA-384 true", "PS512": "RSA  SHA-512 true",
		"ES256": "EC P-256 SHA-256 false", "ES384": "EC P-384 SHA-384 false", "ES512": "EC P-521 SHA-512 false", "EdDSA": "OKP Ed25519 unknown hash value 0 false",
	} {
		a, ok := algorithmNamed(name)
		if got := fmt.Sprintf("%s %s %v %t", a.kty, a.crv, a.hash, a.pss); !ok || a.name != name || got != want {
			t.Errorf("%s is %s, %t; want %s", name, got, ok, want)
		}
	}
}

// TestTheSizeOfAListIsExact, of its whole and of its last status.
func TestTheSizeOfAListIsExact(t *testing.T) {
	t.Parallel()
	for size, ok := range map[int]bool{0: false, 1: true, maxInflated: true, maxInflated + 1: false} {
		var b bytes.Buffer
		z := zlib.NewWriter(&b)
		z.Write(make([]byte, size))
		z.Close()
		if flat, err := inflate(b.Bytes()); (err == nil) != ok || ok && len(flat) != size {
			t.Errorf("%d bytes: %d, %v", size, len(flat), err)
		}
	}
	for bits, last := range map[uint64]uint64{1: 15, 2: 7, 4: 3, 8: 1} {
		s := &statuses{bits: bits, packed: []byte{0, 0x80}}
		status, ok := s.at(last)
		if !ok || status != 1<<(bits-1) {
			t.Errorf("%d bits: the last status is %d, %t", bits, status, ok)
		}
		if _, ok := s.at(last + 1); ok {
			t.Errorf("%d bits: there is a status past the last", bits)
		}
	}
}

// TestAListIsUsedOnlyInItsTime to the second.
func TestAListIsUsedOnlyInItsTime(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	const ahead = 30 * time.Second
	for name, c := range map[string]struct {
		issued, expiry time.Duration
		ok             bool
	}{
		"now": {0, time.Second, true}, "expires now": {-time.Hour, 0, false}, "expired": {-time.Hour, -1, false}, "expires in a moment": {-time.Hour, 1, true},
		"as far ahead as clocks may be": {ahead, time.Hour, true}, "further ahead": {ahead + 1, time.Hour, false},
	} {
		s := &statuses{issuedAt: now.Add(c.issued), expiry: now.Add(c.expiry)}
		if err := s.timely(now, ahead); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := &statuses{issuedAt: now, expiry: now.Add(time.Hour)}
	if got := s.renewal(); !got.Equal(now.Add(45 * time.Minute)) {
		t.Errorf("a list of an hour is renewed at %v", got.Sub(now))
	}
}

// TestThePaceIsThatOfTheTable: pauses at both ends of their jitter, and how long the next request waits.
func TestThePaceIsThatOfTheTable(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	fresh, quick := pace{}, pace{quick: true}
	for name, c := range map[string]struct {
		from        pace
		what        polled
		took        time.Duration
		least, most time.Duration
		next        pace
		wait        time.Duration // by next
	}{
		"news after a while":               {fresh, changed, 3 * time.Second, 0, 0, pace{}, maxPoll},
		"none after a while":               {quick, unchanged, 3 * time.Second, 0, 0, pace{}, maxPoll},
		"after a second":                   {quick, unchanged, time.Second, 0, 0, pace{}, maxPoll},
		"none before a second":             {fresh, unchanged, time.Second - 1, 500 * ms, 1000 * ms, pace{}, maxPoll},
		"none at once, after news at once": {quick, unchanged, 0, 500 * ms, 1000 * ms, pace{quick: true}, maxPoll},
		"news at once":                     {fresh, changed, 0, 0, 0, pace{quick: true}, maxPoll},
		"news at once, again":              {quick, changed, 0, 200 * ms, 400 * ms, pace{quick: true}, maxPoll},
		"news without ETag":                {fresh, untaggedChange, 0, 1000 * ms, 2000 * ms, pace{}, maxPoll},
		"news without ETag after a while":  {fresh, untaggedChange, time.Second, 0, 0, pace{}, maxPoll},
		"a failure":                        {fresh, failed, 0, 50 * ms, 100 * ms, pace{failures: 1, plain: 5}, 0},
		"a failure after a while":          {quick, failed, 4 * time.Second, 50 * ms, 100 * ms, pace{failures: 1, plain: 5, quick: true}, 0},
		"the second":                       {pace{failures: 1, plain: 5}, failed, 0, 100 * ms, 200 * ms, pace{failures: 2, plain: 5}, 0},
		"the third":                        {pace{failures: 2, plain: 2}, failed, 0, 200 * ms, 400 * ms, pace{failures: 3, plain: 5}, 0},
		"the sixth":                        {pace{failures: 5}, failed, 0, 1000 * ms, 2000 * ms, pace{failures: 6, plain: 5}, 0},
		"the hundredth":                    {pace{failures: 99}, failed, 0, 1000 * ms, 2000 * ms, pace{failures: 100, plain: 5}, 0},
		"the first answer after failures":  {pace{failures: 9, plain: 5}, unchanged, 0, 500 * ms, 1000 * ms, pace{plain: 4}, 0},
		"the last that does not wait":      {pace{plain: 1}, unchanged, 0, 500 * ms, 1000 * ms, pace{}, maxPoll},
		"news while none waits":            {pace{plain: 3}, changed, 0, 0, 0, pace{plain: 2, quick: true}, 0},
	} {
		next, least := c.from.next(c.what, c.took, 0)
		_, most := c.from.next(c.what, c.took, 1)
		if next != c.next || least != c.least || most != c.most || next.wait() != c.wait {
			t.Errorf("%s: %+v after %v to %v, which waits %v; want %+v after %v to %v, which waits %v",
				name, next, least, most, next.wait(), c.next, c.least, c.most, c.wait)
		}
	}
}

// TestTheTransportNoticesAFrozenPeer: what was set stays, and what was not is set.
func TestTheTransportNoticesAFrozenPeer(t *testing.T) {
	t.Parallel()
	client, owned := ownClient(nil)
	transport, ok := client.Transport.(*http.Transport)
	if !owned || !ok {
		t.Fatalf("got %+v", client)
	}
	for name, got := range map[string]bool{
		"proxy": transport.Proxy != nil, "dialer": transport.DialContext != nil, "HTTP/2": transport.ForceAttemptHTTP2,
		"TLS": transport.TLSHandshakeTimeout == fetchTimeout, "idle": transport.IdleConnTimeout == time.Minute, "header": transport.MaxResponseHeaderBytes == 64<<10,
		"per host": transport.MaxIdleConnsPerHost == maxLists, "ping": transport.HTTP2.SendPingTimeout == 2*time.Second && transport.HTTP2.PingTimeout == time.Second,
		"redirects": client.CheckRedirect(nil, nil) == http.ErrUseLastResponse, //nolint:errorlint // it is the very one that net/http looks for
	} {
		if !got {
			t.Errorf("%s: got %+v", name, transport)
		}
	}
	theirs := &http.Transport{MaxIdleConnsPerHost: 3, IdleConnTimeout: time.Second, HTTP2: &http.HTTP2Config{SendPingTimeout: time.Minute}}
	client, owned = ownClient(&http.Client{Transport: theirs, Timeout: time.Hour})
	transport, ok = client.Transport.(*http.Transport)
	if !owned || !ok || transport == theirs || transport.MaxIdleConnsPerHost != 3 || transport.IdleConnTimeout != time.Second ||
		transport.HTTP2.SendPingTimeout != time.Minute || client.Timeout != time.Hour || patiently(client).Timeout != 0 || client.Timeout != time.Hour {
		t.Errorf("a client with times of its own: %+v over %+v", client, transport)
	}
	if client, owned = ownClient(&http.Client{}); !owned || client.Transport == http.DefaultTransport {
		t.Errorf("a client of the default transport: %t %+v", owned, client)
	}
	wrapped := roundTripper{}
	if client, owned = ownClient(&http.Client{Transport: wrapped}); owned || client.Transport != wrapped || client.CheckRedirect == nil {
		t.Errorf("a client of another transport: %t %+v", owned, client)
	}
}

type roundTripper struct{}

func (roundTripper) RoundTrip(*http.Request) (*http.Response, error) { return nil, errClosed }

// TestATokenHasOnePlaceInTheCache: one that is examined twice at a time does not push out others.
func TestATokenHasOnePlaceInTheCache(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	c := newCache(ways)
	for range 3 {
		for n := range ways {
			c.add(&entry{raw: string(rune('a' + n)), until: now.Add(time.Hour)}, now)
		}
	}
	for n := range ways {
		if raw := string(rune('a' + n)); c.find(raw) == nil {
			t.Errorf("%s was pushed out by one that was there", raw)
		}
	}
	e := c.find("a")
	c.add(&entry{raw: "a", until: now.Add(2 * time.Hour)}, now)
	c.drop(e) // it has another by now
	if c.find("a") == nil {
		t.Error("a newer entry was dropped for an older one")
	}
}

// TestTheCacheHasRoomForWhatWasAskedFor, in whole buckets, a power of two of them.
func TestTheCacheHasRoomForWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{1: 8, 8: 8, 9: 16, 16: 16, 17: 32, 8192: 8192, maxCacheSize: maxCacheSize} {
		if got := len(newCache(size).places); got != want {
			t.Errorf("%d: %d places, want %d", size, got, want)
		}
	}
	for _, size := range []int{0, -1} {
		if newCache(size) != nil {
			t.Errorf("%d: there is a cache", size)
		}
	}
	now := time.Unix(1_800_000_000, 0)
	c := newCache(ways)
	for length, want := range map[int]bool{maxRemembered: true, maxRemembered + 1: false} {
		raw := strings.Repeat("r", length)
		c.add(&entry{raw: raw, until: now.Add(time.Hour)}, now)
		if (c.find(raw) != nil) != want {
			t.Errorf("a token of %d bytes: remembered %t", length, !want)
		}
		c.add(&entry{raw: raw[:9], until: now.Add(time.Hour), token: Token{payload: raw}}, now)
		if (c.find(raw[:9]) != nil) != want {
			t.Errorf("an answer of %d bytes: remembered %t", length, !want)
		}
		c = newCache(ways)
	}
}

func TestAnOpaqueTokenIsOfLettersAndDigits(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		"azAZ09-._~+/=": true, strings.Repeat("a", 4<<10): true, strings.Repeat("a", 4<<10+1): false, "": false, "a.b": true, "a.b.c": false, "a.b.c.d": true,
		"eyJ": false, "eyK": true, "mrt_a": false, "mrt": true, "a b": false, "a@": false, "a[": false, "a`": false, "a{": false, "a:": false, "a\x00": false, "é": false,
	} {
		if got := isOpaque(raw); got != want {
			t.Errorf("%.20q: %t", raw, got)
		}
	}
}
