package postgres_test

import "time"

// These tests run in a time zone that is not UTC, so that a time that comes back as it was scanned is seen.
func init() { time.Local = time.FixedZone("elsewhere", 5*60*60+45*60) }
