//go:build !race

package keyring_test

// walkOrders is how many orders a walk gives before the keys come to rest.
const walkOrders = 2
