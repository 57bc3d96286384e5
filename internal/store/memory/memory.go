// Package memory is the ephemeral store of one process. Its data is lost with the process, which must be harmless: rate
// counters start afresh. It does not keep the rotation state of sessions: in embedded mode that is in the SQLite row,
// so a restart logs nobody out. All its data is bounded, and it starts no goroutine.
package memory
