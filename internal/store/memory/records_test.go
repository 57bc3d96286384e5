package memory_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/grant"
	"github.com/mintmark-auth/mintmark/internal/store/memory"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
)

func TestRecordsKeepTheContract(t *testing.T) {
	t.Parallel()
	storetest.Records(t, func(testing.TB) grant.Store { return memory.NewRecords(time.Now, 1<<10, 1<<20) })
}

func TestAFullStoreOfRecordsRefusesWhatIsNewAndForgetsNothing(t *testing.T) {
	t.Parallel()
	for name, full := range map[string]*memory.Records{
		"by number": memory.NewRecords(fixed, 10, 1<<20),
		"by octets": memory.NewRecords(fixed, 1<<20, 100),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i := range 10 {
				if err := keep(t, full, i, 10, time.Minute); err != nil {
					t.Fatal(err)
				}
			}
			if err := keep(t, full, 10, 10, time.Minute); !errors.Is(err, grant.ErrFull) {
				t.Errorf("error of one more = %v, want %v", err, grant.ErrFull)
			}
			if got := full.Len(); got != 10 {
				t.Errorf("%d records are held, want 10", got)
			}
			if err := keep(t, full, 3, 10, time.Minute); err != nil {
				t.Errorf("a record that is there is not replaced: %v", err)
			}
		})
	}
}

func TestARecordMayNotGrowBeyondTheBound(t *testing.T) {
	t.Parallel()
	records := memory.NewRecords(fixed, 10, 100)
	if err := errors.Join(keep(t, records, 1, 60, time.Minute), keep(t, records, 1, 90, time.Minute), keep(t, records, 2, 10, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := keep(t, records, 2, 11, time.Minute); !errors.Is(err, grant.ErrFull) {
		t.Errorf("error of the record that grows = %v, want %v", err, grant.ErrFull)
	}
	if err := errors.Join(keep(t, records, 1, 1, time.Minute), keep(t, records, 2, 99, time.Minute)); err != nil {
		t.Errorf("the octets of a record that shrank are not free again: %v", err)
	}
}

func TestARecordIsForgottenAtTheInstantItsTimeIsOver(t *testing.T) {
	t.Parallel()
	now := start
	records := memory.NewRecords(func() time.Time { return now }, 2, 20)
	if err := errors.Join(keep(t, records, 1, 10, time.Minute), keep(t, records, 2, 10, time.Hour), keep(t, records, 1, 10, 2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	now = start.Add(2*time.Minute - 1)
	if err := keep(t, records, 3, 10, time.Minute); !errors.Is(err, grant.ErrFull) {
		t.Errorf("error before the time is over = %v, want %v", err, grant.ErrFull)
	}
	now = start.Add(2 * time.Minute)
	if err := keep(t, records, 3, 10, time.Minute); err != nil {
		t.Errorf("the place of a record whose time is over is not free: %v", err)
	}
	if got := records.Len(); got != 2 {
		t.Errorf("%d records are held, want 2", got)
	}
}

// keep stores a record of the given size, replacing any other.
func keep(t *testing.T, records *memory.Records, n, octets int, lifetime time.Duration) error {
	t.Helper()
	return records.UpdateRecord(t.Context(), grant.KeyOf(grant.Code, fmt.Sprint(n)), func([]byte, time.Time) ([]byte, time.Duration) {
		return make([]byte, octets), lifetime
	})
}
