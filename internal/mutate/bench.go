package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"
)

// shortest and longest bound one run of the tests. A mistake may make a test wait; it
// gets a few times what the tests take without one.
const (
	shortest = 90 * time.Second
	longest  = 6 * time.Minute
	patience = 5
)

// sample is what may be tried of a package, in the order in which it is tried.
type sample struct {
	target    target
	mistakes  []mistake
	unchanged int // mistakes left out because they change nothing
}

// outcome is what the tests said of a mistake.
type outcome string

const (
	caught    outcome = "caught"
	hung      outcome = "hung" // the tests ended by their deadline only
	survived  outcome = "survived"
	stillborn outcome = "does not compile"
	untried   outcome = "not tried"
)

// result is what became of a sample.
type result struct {
	sample
	tried []trial
}

// trial is one mistake and what the tests said of it.
type trial struct {
	mistake
	outcome outcome
	deep    bool // the outer tests were run as well
}

// bench runs tests on the tree with one mistake in it.
type bench struct {
	out    io.Writer
	mu     sync.Mutex // guards out
	folder string     // of the overlays
	root   string     // of the module
	usual  map[string]time.Duration
}

func newBench(out io.Writer) (*bench, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return nil, errors.New("run this in the folder of go.mod")
	}
	folder, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return nil, err
	}
	return &bench{out: out, folder: folder, root: root, usual: make(map[string]time.Duration)}, nil
}

func (b *bench) close() { _ = os.RemoveAll(b.folder) }

func (b *bench) say(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintf(b.out, format+"\n", args...)
}

// try runs every package's own tests on its sample, then, as long as there is time,
// the outer tests on what survived.
func (b *bench) try(ctx context.Context, samples []sample, size int) ([]result, error) {
	results := make([]result, len(samples))
	for i, s := range samples {
		results[i].sample = s
		if err := b.untouched(ctx, s.target.own); err != nil {
			return nil, err
		}
		results[i].tried = b.first(ctx, s, size)
	}
	for i := range results {
		if err := b.second(ctx, &results[i]); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// untouched runs tests on the tree as it is: tests that fail anyway notice nothing.
func (b *bench) untouched(ctx context.Context, tests []string) error {
	key := strings.Join(tests, " ")
	if _, ok := b.usual[key]; ok || ctx.Err() != nil {
		return nil
	}
	began := time.Now()
	said, err := b.test(ctx, "", tests, longest)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("the tests of %s fail without any mistake: %w\n%s", key, err, said)
	}
	b.usual[key] = time.Since(began)
	b.say("      %-40s %s without a mistake", key, b.usual[key].Round(100*time.Millisecond))
	return nil
}

// first tries mistakes until size of them compiled.
func (b *bench) first(ctx context.Context, s sample, size int) []trial {
	var tried []trial
	for next := 0; next < len(s.mistakes) && ctx.Err() == nil; {
		missing := size - counted(tried)
		if missing <= 0 {
			break
		}
		batch := s.mistakes[next:min(next+missing, len(s.mistakes))]
		next += len(batch)
		tried = append(tried, b.each(ctx, batch, s.target.own)...)
	}
	return tried
}

func counted(tried []trial) int {
	n := 0
	for _, t := range tried {
		if t.outcome != stillborn {
			n++
		}
	}
	return n
}

// second runs the outer tests on what the package's own tests did not notice.
func (b *bench) second(ctx context.Context, r *result) error {
	var left []int
	var mistakes []mistake
	for i, t := range r.tried {
		if t.outcome == survived {
			left, mistakes = append(left, i), append(mistakes, t.mistake)
		}
	}
	for _, tests := range r.target.outer {
		if len(left) == 0 || ctx.Err() != nil {
			return nil
		}
		if err := b.untouched(ctx, []string{tests}); err != nil {
			return err
		}
		var still []int
		var remaining []mistake
		for n, t := range b.each(ctx, mistakes, []string{tests}) {
			switch t.outcome {
			case caught, hung:
				r.tried[left[n]].outcome = t.outcome
			case survived:
				r.tried[left[n]].deep = tests == r.target.outer[len(r.target.outer)-1]
				still, remaining = append(still, left[n]), append(remaining, t.mistake)
			case stillborn, untried:
			}
		}
		left, mistakes = still, remaining
	}
	return nil
}

// each tries some mistakes, a few at a time.
func (b *bench) each(ctx context.Context, mistakes []mistake, tests []string) []trial {
	tried := make([]trial, len(mistakes))
	places := make(chan struct{}, max(1, runtime.NumCPU()))
	var all sync.WaitGroup
	for i, m := range mistakes {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			tried[i] = trial{mistake: m, outcome: b.one(ctx, m, tests)}
			if tried[i].outcome != stillborn && tried[i].outcome != untried {
				b.say("%-8s %s", tried[i].outcome, m)
			}
		})
	}
	all.Wait()
	return tried
}

var (
	notBuilt = regexp.MustCompile(`(?m)^FAIL.*\[(build|setup) failed\]$`)
	noticed  = regexp.MustCompile(`(?m)^\s*--- FAIL|^panic: |^fatal error: `)
)

// one runs the tests on the tree with the mistake in it.
func (b *bench) one(ctx context.Context, m mistake, tests []string) outcome {
	if ctx.Err() != nil {
		return untried
	}
	overlay, err := b.overlay(m)
	if err != nil {
		b.say("mutate: %v", err)
		return untried
	}
	limit := min(max(shortest, patience*b.usual[strings.Join(tests, " ")]), longest)
	said, err := b.test(ctx, overlay, tests, limit)
	switch {
	case ctx.Err() != nil:
		return untried
	case err == nil:
		return survived
	case notBuilt.MatchString(said):
		return stillborn
	case strings.Contains(said, "panic: test timed out"):
		return hung
	case noticed.MatchString(said):
		return caught
	default: // not a word of a test: the machine has failed
		b.say("mutate: the tests of %v ended without a verdict: %v\n%s", tests, err, said)
		return untried
	}
}

// overlay writes the file with the mistake aside, and the go command's map to it.
func (b *bench) overlay(m mistake) (string, error) {
	original := filepath.Join(b.root, filepath.FromSlash(m.file))
	source, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	folder, err := os.MkdirTemp(b.folder, "mistake")
	if err != nil {
		return "", err
	}
	changed := filepath.Join(folder, filepath.Base(original))
	if err := os.WriteFile(changed, m.apply(source), 0o600); err != nil {
		return "", err
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(folder, "overlay.json")
	return overlay, os.WriteFile(overlay, replace, 0o600)
}

// test runs the tests of some packages. The overlay goes by GOFLAGS, so that programs
// that the tests build have the mistake in them, too.
func (b *bench) test(ctx context.Context, overlay string, packages []string, limit time.Duration) (string, error) {
	args := []string{"test", "-vet=off", "-count=1", "-failfast", "-timeout", limit.String()}
	for _, p := range packages {
		args = append(args, "./"+p)
	}
	command := exec.CommandContext(ctx, "go", args...)
	command.WaitDelay = 10 * time.Second
	command.Dir = b.root
	command.Env = append(os.Environ(), "RAPID_NOFAILFILE=1") // its files would be replayed by later runs
	endTogether(command)
	if overlay != "" {
		command.Env = append(command.Env, "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
	}
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	err := command.Run()
	return said.String(), err
}
