//go:build race

package keyring_test

// walkOrders is how many orders a walk gives before the keys come to rest: few here,
// because the race detector makes each state expensive. `make test` walks again without it.
const walkOrders = 1
