package user

import (
	"context"
	"errors"
)

const (
	fillBatch   = 100 // users that are read at once; each is written by itself
	fillBatches = 20  // for each call of Fill
)

// Filler gives users the skeletons of their names, where rows of earlier versions have none.
// Any number of replicas may fill at the same time. It is not safe for concurrent use.
type Filler struct {
	store Store
	after string // the id up to which this pass over the users has come
	alike int    // how many names this pass found that look like others'
}

// NewFiller returns a filler that begins a pass.
func NewFiller(store Store) *Filler { return &Filler{store: store} }

// Fill goes on with the pass for a bounded number of users. At the end of a pass it reports
// so, and how many names look like that of another user: those stay without a skeleton.
func (f *Filler) Fill(ctx context.Context) (alike int, ended bool, err error) {
	for range fillBatches {
		users, err := f.store.UsersWithoutSkeleton(ctx, Page{After: f.after, Limit: fillBatch})
		if err != nil {
			return 0, false, err
		}
		if err := f.fill(ctx, users); err != nil {
			return 0, false, err
		}
		if len(users) < fillBatch {
			alike, f.alike, f.after = f.alike, 0, ""
			return alike, true, nil
		}
	}
	return 0, false, nil
}

func (f *Filler) fill(ctx context.Context, users []User) error {
	for _, u := range users {
		u.Skeleton = Skeleton(u.Username)
		err := f.store.SetSkeleton(ctx, u)
		if err != nil && !errors.Is(err, ErrUsernameTaken) {
			return err
		}
		if err != nil {
			f.alike++
		}
		f.after = u.ID
	}
	return nil
}
