// Package memory is the ephemeral store of one process. What it keeps is lost
// with the process, which must be harmless: rate counters start afresh. The
// rotation state of sessions is not here: in embedded mode the SQLite row holds
// it, so a restart logs nobody out. Everything in it is bounded, and it starts
// no goroutine.
package memory
