package ratelimit

import (
	"context"
	"net/netip"
)

// growth is how much more than a network may be tried from the next wider one: in twice as many addresses there is more
// than one subscriber, but not as many as there are networks in it.
const growth = 2

// Budgets are the rates of nested networks, the narrowest first: each has growth times the tries of the one before.
func Budgets(networks int, rate Rate) []Rate {
	rates := make([]Rate, networks)
	for i := range rates {
		rates[i] = rate
		rate.Limit *= growth
	}
	return rates
}

// SpendFrom takes one try from the budget of each of the nested networks that a caller is in, the narrowest first, and
// turns a refusal into [*Exceeded]: who has used up a narrow one takes nothing from its neighbours. Callers without a
// network share one budget.
func SpendFrom(ctx context.Context, store Store, key string, networks []netip.Prefix, rate Rate) error {
	if len(networks) == 0 {
		networks = []netip.Prefix{{}}
	}
	for i, budget := range Budgets(len(networks), rate) {
		if err := Spend(ctx, store, key+"@"+networks[i].String(), budget); err != nil {
			return err
		}
	}
	return nil
}
