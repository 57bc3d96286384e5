package zoo_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const page = "../../docs/verify/rotation.md"

var (
	seed   = flag.Uint64("seed", 1, "which story is told; the page shows that of seed 1")
	update = flag.Bool("update", false, "write the table of "+page)
)

// TestNoVerifierMeetsAnUnknownKey tells the story of 90 days.
func TestNoVerifierMeetsAnUnknownKey(t *testing.T) {
	t.Logf("seed %d", *seed)
	path := migrated(t)
	var seen []record
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, path, *seed)
		s.trickle()
		s.expect()
		s.actions()
		s.tell(s.began.Add(90 * day))
		seen = s.results()
		t.Logf("%d tokens; switches: %v", s.tokens, s.counted())
		for c, n := range s.switches {
			if n == 0 {
				t.Errorf("the story holds no switch of the cause %q", cause(c))
			}
		}
	})
	t.Log("\n" + measured(seen))
	for i, k := range kinds {
		k.assert(t, seen[i])
	}
	if *seed == 1 && !t.Failed() {
		comparePage(t, seen)
	}
}

// actions are what operators do between two scheduled rotations, in an order by chance. Each begins with a ripe standby.
func (s *story) actions() {
	acts := []func(at time.Time){
		s.rotate, s.rotate, s.rotate,
		func(at time.Time) { s.emergency(at, ripe) },
		func(at time.Time) { s.emergency(at, ripe) },
		func(at time.Time) { s.emergency(at, ripe) },
		func(at time.Time) {
			s.emergency(at, ripe)
			s.cutOff(at.Add(-time.Second))
			s.emergency(at.Add(15*time.Second), unripe)
		},
		func(at time.Time) {
			s.emergency(at, ripe)
			s.emergency(at.Add(s.between(time.Minute, 20*time.Minute)), unripe)
		},
		func(at time.Time) { s.compromise(at, replaced) },
		func(at time.Time) { s.compromise(at, replaced) },
		func(at time.Time) {
			s.emergency(at, ripe)
			s.compromise(at.Add(s.between(time.Minute, time.Hour)), hasty)
		},
	}
	s.chance.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
	at := s.began.Add(policy.RotateEvery + 50*time.Hour) // after the first rotation by schedule; the last day sees another
	for _, act := range acts {
		act(at)
		at = at.Add(s.between(policy.PublishAhead+90*time.Minute, policy.PublishAhead+5*time.Hour))
	}
}

// results are what became of tokens, by kind.
func (s *story) results() []record {
	seen := make([]record, len(kinds))
	for _, a := range s.zoo {
		a.mu.Lock()
		for i := range kinds {
			if a.kind == &kinds[i] {
				seen[i].add(a.seen)
			}
		}
		a.mu.Unlock()
	}
	return seen
}

func (s *story) counted() string {
	var b strings.Builder
	for c, n := range s.switches {
		fmt.Fprintf(&b, "%s %d; ", cause(c), n)
	}
	return strings.TrimSuffix(b.String(), "; ")
}

func (k kind) assert(t *testing.T, seen record) {
	t.Helper()
	for c := range causes {
		switch {
		case seen.accepted[c] == 0:
			t.Errorf("%s: accepted no token of the cause %q", k.name, c)
		case c.harmless() && seen.rejected[c] > 0:
			t.Errorf("%s: rejected %d of %d good tokens of the cause %q: %v", k.name, seen.rejected[c], seen.rejected[c]+seen.accepted[c], c, seen.first[c])
		case seen.blind[c] > k.unripe.at:
			t.Errorf("%s, %q: refused a key for %s after it met it; the bound is %s: %v", k.name, c, seen.blind[c], k.unripe, seen.first[c])
		}
	}
	if seen.stolen > k.drops.at {
		t.Errorf("%s: accepted a revoked key for %s; the bound is %s", k.name, seen.stolen, k.drops.at)
	}
	if k.drops.at == forever && seen.stolen < day {
		t.Errorf("%s: dropped a revoked key after %s; the page says that it never does", k.name, seen.stolen)
	}
}

// TestKeyThatSignsAsItIsBornIsRefused shows that the zoo would notice: it is what many authorities do.
func TestKeyThatSignsAsItIsBornIsRefused(t *testing.T) {
	path := migrated(t)
	var seen []record
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, path, *seed)
		s.trickle()
		for n := range 3 {
			s.bear(s.began.Add(time.Duration(n+2) * day))
		}
		s.tell(s.began.Add(6 * day))
		seen = s.results()
	})
	for i, k := range kinds {
		t.Logf("%-30s rejected %d of %d good tokens", k.name, seen[i].rejected[scheduled], seen[i].rejected[scheduled]+seen[i].accepted[scheduled])
		if k.newborn && seen[i].rejected[scheduled] == 0 {
			t.Errorf("%s: met three unknown keys, and rejected nothing", k.name)
		}
	}
}

// measured is the table that is printed.
func measured(seen []record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "good tokens rejected, of all\n%-30s", "kind")
	for c := range causes {
		fmt.Fprintf(&b, " | %-22s", c)
	}
	b.WriteString(" | unripe: for | at most | revoked: for | at most\n")
	for i, k := range kinds {
		fmt.Fprintf(&b, "%-30s", k.name)
		var blind time.Duration
		for c := range causes {
			fmt.Fprintf(&b, " | %9d of %9d", seen[i].rejected[c], seen[i].accepted[c]+seen[i].rejected[c])
			blind = max(blind, seen[i].blind[c])
		}
		fmt.Fprintf(&b, " | %s | %s | %s | %s\n", blind.Round(time.Second), k.unripe, seen[i].stolen.Round(time.Second), k.drops.at)
	}
	return b.String()
}

const (
	tableBegins = "<!-- measured: make zoo; go test -update writes it -->\n"
	tableEnds   = "<!-- end of what is measured -->\n"
)

// comparePage holds the table of the page against what was measured.
func comparePage(t *testing.T, seen []record) {
	t.Helper()
	read, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(read), tableBegins)
	got, tail, ended := strings.Cut(rest, tableEnds)
	if !ok || !ended {
		t.Fatalf("%s has no place for the table", page)
	}
	want := table(seen)
	if *update {
		if err := os.WriteFile(page, []byte(head+tableBegins+want+tableEnds+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s tells another story; if the new one is right: cd internal/zoo && go test -update\n%s", page, want)
	}
}

// table is what the page shows: no counts, and times as coarse as they have a meaning.
func table(seen []record) string {
	var b strings.Builder
	b.WriteString("| verifier | when it fetches keys | ripe switch: good tokens rejected | unripe: the new key is refused for, at most | " +
		"revoked: the key is accepted for, at most |\n|---|---|---|---|---|\n")
	for i, k := range kinds {
		rejected, blind := 0, time.Duration(0)
		for c := range causes {
			if c.harmless() {
				rejected += seen[i].rejected[c]
			}
			blind = max(blind, seen[i].blind[c])
		}
		drops := fmt.Sprintf("%s, %s", coarse(seen[i].stolen, k.drops.at), k.drops)
		if k.drops.at == forever {
			drops = "for ever: " + k.drops.text
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %s, %s | %s |\n", k.name, k.fetches, rejected, coarse(blind, k.unripe.at), k.unripe, drops)
	}
	return b.String()
}

// coarse rounds up to what another run would tell too: a minute, or steps of five; but not over the bound.
func coarse(d, most time.Duration) string {
	const step = 5 * time.Minute
	if d <= time.Minute {
		return "1 min"
	}
	return short(min((d + step - 1).Truncate(step), most))
}

// short is a duration as people write it.
func short(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}} {
		if n := d / unit.size; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, unit.name))
			d -= n * unit.size
		}
	}
	return strings.Join(parts, " ")
}
