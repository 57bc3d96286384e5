package e2e_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// loginsQueue: that no more hashes run than there are slots is a test of the hasher.
func loginsQueue(t *testing.T, _ *authority) {
	a := startEmbedded(t, append(slowHashes(), "MINTMARK_PASSWORD_MAX_CONCURRENT=1")...)
	a.register(t, "usr12")
	subject := subjectOf(t, a.tryLogin(t, "usr12", testPassword))
	var mu sync.Mutex
	counts := make(map[int]int)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			password := []string{testPassword, "not the password at all"}[i%2]
			got := a.tryLogin(t, "usr12", password)
			mu.Lock()
			defer mu.Unlock()
			counts[got.Status]++
			switch got.Status {
			case http.StatusOK:
				if subjectOf(t, got) != subject {
					t.Error("a login gave another user's token")
				}
			case http.StatusServiceUnavailable:
				wantUnavailable(t, "a login beyond the queue", got)
			}
		})
	}
	wg.Wait()
	hashed := counts[http.StatusOK] + counts[http.StatusBadRequest] // one at least, which found nobody in the queue
	if hashed+counts[http.StatusServiceUnavailable] != 100 || hashed == 0 || counts[http.StatusServiceUnavailable] == 0 {
		t.Errorf("%v: want some 200 or 400, some 503, and nothing else", counts)
	}
	if got := a.tryLogin(t, "usr12", testPassword); got.Status != http.StatusOK {
		t.Errorf("login after the rush: %d, want 200", got.Status)
	}
}

func hostileHashIsRefused(t *testing.T, a *authority) {
	a.register(t, "usr13")
	users := a.stores(t).Users
	u, err := users.UserByUsername(t.Context(), "usr13")
	if err != nil {
		t.Fatal(err)
	}
	before := strings.Count(a.Log.String(), "stored password hash is damaged")
	hostile := []string{
		"$argon2id$v=19$m=4194304,t=1000,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZWtleXNvbWVrZXlzb21la2V5c29tZWtleXNvbWU",
		"$argon2id$v=19$m=65536,t=4294967295,p=255$c29tZXNhbHRzb21lc2FsdA$c29tZWtleXNvbWVrZXlzb21la2V5c29tZWtleXNvbWU",
		"$argon2i$v=19$m=8192,t=1,p=1$c29tZXNhbHQ$c29tZWtleQ", "$2b$12$abcdefghijklmnopqrstuv", "garbage", "$$$$$",
	}
	for _, hash := range hostile {
		if err := users.ReplaceHash(t.Context(), u.ID, u.PasswordHash, hash); err != nil {
			t.Fatal(err)
		}
		u.PasswordHash = hash
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL+"/api/authentication/login", strings.NewReader(credentials("usr13", testPassword)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if got := do(t, req); got.Status != http.StatusBadRequest {
			t.Errorf("%.40s: %d %s, want 400", hash, got.Status, got.Body)
		}
		cancel()
	}
	log := a.Log.String()
	if alarms := strings.Count(log, "stored password hash is damaged") - before; alarms != len(hostile) {
		t.Errorf("%d alarms for %d damaged hashes", alarms, len(hostile))
	}
	if strings.Contains(log, "c29tZWtleXNvbWVrZXlz") {
		t.Error("the log holds a hash")
	}
}

func victimIsNotLockedOut(t *testing.T, _ *authority) {
	a := startEmbedded(t, "MINTMARK_TRUSTED_PROXIES=127.0.0.1", "MINTMARK_RATE_LOGIN=2/h,4/h")
	a.register(t, "usr14")
	const known = "198.51.100.7"
	if got := a.loginFrom(t, known, "usr14", testPassword); got.Status != http.StatusOK {
		t.Fatalf("before the attack: %d %s", got.Status, got.Body)
	}
	begun := time.Now()
	counts := a.guessFromMany(t, "usr14", 1000)
	regained := int(time.Since(begun)/(36*time.Second)) + 1 // a try each 36 s
	if tried := counts[http.StatusBadRequest]; tried < 99 || tried > 99+regained || tried+counts[http.StatusTooManyRequests] != 1000 {
		t.Errorf("%v: want 99, what the first login left of the account's hundred tries, and 429 for the rest", counts)
	}
	if got := a.loginFrom(t, known, "usr14", testPassword); got.Status != http.StatusOK {
		t.Errorf("the victim from an address of their own: %d %s, want 200", got.Status, got.Body)
	}
}

// guessFromMany tries so many wrong passwords from a hundred addresses, twenty at once, and counts the answers.
func (a *authority) guessFromMany(t *testing.T, name string, tries int) (statuses map[int]int) {
	t.Helper()
	answers := make(chan int, tries)
	var wg sync.WaitGroup
	for worker := range 20 {
		wg.Go(func() {
			for i := worker; i < tries; i += 20 {
				answers <- a.loginFrom(t, fmt.Sprintf("203.0.113.%d", i%100), name, "not the password at all").Status
			}
		})
	}
	wg.Wait()
	close(answers)
	statuses = make(map[int]int)
	for status := range answers {
		statuses[status]++
	}
	return statuses
}

func evasionCounts(t *testing.T, _ *authority) {
	spellings := []string{"usr15", "USR15", "Usr15", "usr15@example.com", "ｕｓｒ１５", "usR15@Example.com"}
	tests := map[string]struct {
		proxies string
		from    func(i int) string
		status  int
	}{
		"a forged X-Forwarded-For":        {"", func(i int) string { return fmt.Sprintf("203.0.113.%d", i) }, http.StatusTooManyRequests},
		"an address before the proxy's":   {"127.0.0.1", func(i int) string { return fmt.Sprintf("203.0.113.%d, 198.51.100.1", i) }, http.StatusTooManyRequests},
		"addresses of one IPv6 /64":       {"127.0.0.1", func(i int) string { return fmt.Sprintf("2001:db8:1:2::%x", i+1) }, http.StatusTooManyRequests},
		"spellings of one IPv4 address":   {"127.0.0.1", func(i int) string { return []string{"203.0.113.9", "::ffff:203.0.113.9"}[i%2] }, http.StatusTooManyRequests},
		"another /64 has its own budget":  {"127.0.0.1", func(i int) string { return fmt.Sprintf("2001:db8:1:%x::1", i+1) }, http.StatusBadRequest},
		"another IPv4 has its own budget": {"127.0.0.1", func(i int) string { return fmt.Sprintf("203.0.113.%d", i+1) }, http.StatusBadRequest},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := []string{"MINTMARK_RATE_LOGIN=5/h,1000/h"}
			if test.proxies != "" {
				settings = append(settings, "MINTMARK_TRUSTED_PROXIES="+test.proxies)
			}
			a := startEmbedded(t, settings...)
			a.register(t, "usr15")
			var last answer
			for i, spelling := range spellings {
				last = a.loginFrom(t, test.from(i), spelling, "not the password at all")
			}
			if last.Status != test.status {
				t.Errorf("sixth try: %d, want %d", last.Status, test.status)
			}
			if wait := cmp.Or(last.Header.Get("Retry-After"), "none"); (wait == "none") != (test.status == http.StatusBadRequest) {
				t.Errorf("Retry-After: %s", wait)
			}
		})
	}
}
