// Command mutate measures whether the tests notice mistakes. It plants one mistake at a time into a
// package, runs the tests that hold that package, and reports which mistakes no test caught:
//
//	mutate                          # a sample of every package of the table, within half an hour
//	mutate -seed 7 session keyring  # the sample of seed 7 of two packages
//	mutate -list db                 # the mistakes that could be planted, without running a test
//
// The mistakes are those that reviews have found: a dropped call, check, effect, field or header; two steps or
// arguments in the wrong order; a bound that is off by one; the wrong clock; an error reported as success; a dropped
// term of a WHERE or SET, a dropped constraint, index or statement. The work tree is never touched: the go command sees
// the mistake through an overlay.
//
// A mistake without any observable effect belongs in unchanged.tsv, with the reason. Such mistakes are listed but not
// counted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options is what the command line says.
type options struct {
	seed   uint64
	sample int
	budget time.Duration
	list   bool
	names  []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	good, err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	case !good:
		os.Exit(1)
	}
}

// run returns false when a package misses its goal.
func run(ctx context.Context, args []string, out io.Writer) (bool, error) {
	o, err := parse(args, out)
	if err != nil {
		return false, err
	}
	targets, err := choose(o.names)
	if err != nil {
		return false, err
	}
	excused, err := readUnchanged(unchangedText)
	if err != nil {
		return false, err
	}
	var samples []sample
	for _, t := range targets {
		all, err := plantAll(t.dirs)
		if err != nil {
			return false, err
		}
		counted, same := excused.split(all)
		s := sample{target: t, mistakes: pick(counted, seeded(o.seed, t.name)), unchanged: len(same)}
		samples = append(samples, s)
	}
	if o.list {
		return true, list(out, samples)
	}
	fmt.Fprintf(out, "seed %d, at least %d mistakes per package, %s in all\n", o.seed, o.sample, o.budget)
	ctx, cancel := context.WithTimeout(ctx, o.budget)
	defer cancel()
	bench, err := newBench(out)
	if err != nil {
		return false, err
	}
	defer bench.close()
	results, err := bench.try(ctx, samples, o.sample)
	if err != nil {
		return false, err
	}
	return report(out, results, o.sample), nil
}

// seeded draws the same sample of a package again, whichever others are chosen.
func seeded(seed uint64, name string) *rand.Rand {
	h := fnv.New64()
	_, _ = h.Write([]byte(name))                  // never fails
	return rand.New(rand.NewPCG(seed, h.Sum64())) //nolint:gosec // nothing to guess
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() {
		fmt.Fprintf(out, "usage: mutate [flags] [package ...]\n\npackages: %s\n\nflags:\n", names())
		flags.PrintDefaults()
	}
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano())%100_000, "draws the sample; the same seed and tree give the same one")
	flags.IntVar(&o.sample, "sample", 15, "how many mistakes to try in each package")
	flags.DurationVar(&o.budget, "budget", 30*time.Minute, "how long it may take; what is not tried by then is not counted")
	flags.BoolVar(&o.list, "list", false, "print the mistakes that could be planted, and run nothing")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if o.sample < 1 || o.budget <= 0 {
		return options{}, errors.New("-sample and -budget must be above zero")
	}
	o.names = flags.Args()
	return o, nil
}
