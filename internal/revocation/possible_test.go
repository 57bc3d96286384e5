package revocation

import (
	"testing"

	"github.com/mintmark-auth/mintmark/internal/session"
)

func TestIndexesAreBounded(t *testing.T) {
	t.Parallel()
	for index, want := range map[int64]bool{-1: false, 0: true, session.MaxStatusIndex: true, session.MaxStatusIndex + 1: false} {
		if got := possible(index); got != want {
			t.Errorf("%d: %v, want %v", index, got, want)
		}
	}
}
