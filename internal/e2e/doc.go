// Package e2e tests the whole program from the outside, over HTTP: the same object that `mintmark serve` runs, on
// SQLite or on real Postgres and Redis, as one process or as replicas that are killed and cut off. It contains no
// product code. A rule belongs in its domain package and is tested there.
package e2e
