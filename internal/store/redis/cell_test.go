package redis

import (
	"errors"
	"testing"
)

func TestAnAnswerAboutAnotherKeyIsRefused(t *testing.T) {
	t.Parallel()
	if got, err := readCell("s:a", []any{"s:a", int64(1), "1", "2", "v"}); err != nil || !got.won || got.value != "v" || got.now.UnixMicro() != 1_000_002 {
		t.Errorf("the own answer read as %+v, %v", got, err)
	}
	for _, answer := range [][]any{
		nil, {"s:a"}, {"s:b", int64(1), "1", "2", "v"}, {nil, int64(1), "1", "2", "v"}, {"s:a", "1", "1", "2", "v"},
		{"s:a", int64(1), int64(1), "2", "v"}, {"s:a", int64(1), "1", nil, "v"}, {"s:a", int64(1), "1", "2", nil},
	} {
		if _, err := readCell("s:a", answer); !errors.Is(err, errDesync) {
			t.Errorf("%v: error = %v, want %v", answer, err, errDesync)
		}
	}
}
