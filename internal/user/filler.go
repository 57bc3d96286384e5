package user

import (
	"context"
	"errors"
	"time"
)

const (
	fillBatch   = 100 // users that are read at once; each is written by itself
	fillBatches = 20  // for each call of Fill
	// fillFor is how long a call of Fill begins with users, less than serve allows it: a slow store fails none.
	fillFor = 2 * time.Second
	// fillAgain is how long a filler rests after a pass that found only names which look like others': they stay so
	// until a user goes, and every replica would try them all at every call.
	fillAgain = 10 * time.Minute
)

// Filler gives users the skeletons of their names, where rows of earlier versions have none.
// Any number of replicas may fill at the same time. It is not safe for concurrent use.
type Filler struct {
	store Store
	after string    // the id up to which this pass over the users has come
	alike int       // how many names this pass found that look like others'
	news  bool      // this pass gave a user a skeleton
	rest  time.Time // until then it reads nothing
}

// NewFiller returns a filler that begins a pass.
func NewFiller(store Store) *Filler { return &Filler{store: store} }

// Fill goes on with the pass for a bounded number of users. At the end of a pass it reports
// so, and how many names look like that of another user: those stay without a skeleton. After
// a pass that found only such names, it does nothing for ten minutes.
func (f *Filler) Fill(ctx context.Context) (alike int, ended bool, err error) {
	began := time.Now()
	if began.Before(f.rest) {
		return 0, false, nil
	}
	for range fillBatches {
		users, err := f.store.UsersWithoutSkeleton(ctx, Page{After: f.after, Limit: fillBatch})
		if err != nil {
			return 0, false, err
		}
		all, err := f.fill(ctx, users, began.Add(fillFor))
		if err != nil || !all {
			return 0, false, err
		}
		if len(users) < fillBatch {
			return f.end(), true, nil
		}
	}
	return 0, false, nil
}

// end ends a pass, and gives the number of its names that look like others'.
func (f *Filler) end() (alike int) {
	alike = f.alike
	if alike > 0 && !f.news {
		f.rest = time.Now().Add(fillAgain)
	}
	f.after, f.alike, f.news = "", 0, false
	return alike
}

// fill does so until then, and reports whether it came to the last of the users.
func (f *Filler) fill(ctx context.Context, users []User, until time.Time) (all bool, err error) {
	for _, u := range users {
		if !time.Now().Before(until) {
			return false, nil
		}
		u.Skeleton = Skeleton(u.Username)
		err := f.store.SetSkeleton(ctx, u)
		if err != nil && !errors.Is(err, ErrUsernameTaken) {
			return false, err
		}
		if err != nil {
			f.alike++
		} else {
			f.news = true
		}
		f.after = u.ID
	}
	return true, nil
}
