package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/mintmark-auth/mintmark/internal/weather"
)

var (
	// errDiffers says that a step of the story ended otherwise than it must.
	errDiffers = errors.New("the story differs")
	// errInterrupted reports that the user interrupted the demo.
	errInterrupted = errors.New("interrupted before the end of the story")
)

// printer prints the story as it happens, for a person or a program.
type printer interface {
	begin(issuer, weather string)
	step(number int, title string)
	exchanged(e exchange)
	decoded(c claims)
	// waiting returns when the time has come, or ctx ends.
	waiting(ctx context.Context, until time.Time) error
	judged(lesson string, differs error)
	end(steps int, differs error) error
}

// story is what happens to one user, one weather service and one thief.
type story struct {
	issuer   string
	audience string
	weather  string
	who      account
	http     caller
	out      printer

	first  pair // of the login
	second pair // of the first refresh
	newest pair
}

// chapter is one step. Its lesson is what it shows if it goes as it must.
type chapter struct {
	title  string
	lesson string
	happen func(context.Context) error
}

func (s *story) chapters() []chapter {
	chapters := []chapter{
		{"Log in", "an access token to show around, a refresh token to keep", s.logIn},
		{"Call the weather service", "it checked the token offline, against the issuer's public keys", s.callWithFirst},
		{"Wait for the access token to expire, call again", "an access token is good for a short time only", s.callExpired},
		{"Refresh", "a new pair; the old refresh token is spent", s.refresh},
		{"Call the weather service again", "the user noticed nothing", s.callWithSecond},
		{"Refresh again", "each refresh token works once", s.refreshAgain},
		{"A thief replays the first refresh token", "refused; and the authority now knows that a token was stolen", s.replay},
		{"The user refreshes with the newest token", "refused too: the session is dead for thief and owner alike", s.refreshDead},
		{"The last access token expires, call again", "the session is dead everywhere; the user has to log in again, the thief can't", s.callDead},
	}
	if s.who.fresh {
		chapters = slices.Insert(chapters, 0, chapter{"Register", "a new account", s.register})
	}
	return chapters
}

// play goes through the chapters, and ends at the first that differs: the later
// ones would make no sense.
func (s *story) play(ctx context.Context) error {
	s.out.begin(s.issuer, s.weather)
	chapters := s.chapters()
	for i, c := range chapters {
		s.out.step(i+1, c.title)
		err := c.happen(ctx)
		if err != nil && ctx.Err() != nil {
			err = errInterrupted
		}
		s.out.judged(c.lesson, err)
		if err != nil {
			err = fmt.Errorf("step %d of %d, %q: %w", i+1, len(chapters), c.title, err)
			return errors.Join(err, s.out.end(len(chapters), err))
		}
	}
	return s.out.end(len(chapters), nil)
}

func (s *story) register(ctx context.Context) error {
	_, err := s.post(ctx, "register", http.StatusOK, map[string]string{
		"username": s.who.username, "email": s.who.email, "password": s.who.password.Reveal(),
	})
	if answer, ok := errors.AsType[*wrongStatus](err); ok && answer.got == http.StatusForbidden {
		return fmt.Errorf("%w: registration is closed; name a user with --username", err)
	}
	return err
}

func (s *story) logIn(ctx context.Context) error {
	granted, err := s.post(ctx, "login", http.StatusOK, map[string]string{
		"username": s.who.username, "password": s.who.password.Reveal(),
	})
	if err != nil {
		return err
	}
	c, err := decodeClaims(granted.AccessToken)
	if err != nil {
		return fmt.Errorf("%w: %w", errDiffers, err)
	}
	s.out.decoded(c)
	if c.Issuer != s.issuer {
		return fmt.Errorf("%w: the token is from the issuer %q, not %q; name that one with --issuer", errDiffers, c.Issuer, s.issuer)
	}
	if !slices.Contains(c.Audience, s.audience) {
		return fmt.Errorf("%w: the token is for %q, not for %q; name its audience with --audience", errDiffers, c.Audience, s.audience)
	}
	s.first, s.newest = granted, granted
	return nil
}

func (s *story) callWithFirst(ctx context.Context) error {
	return s.call(ctx, s.first.AccessToken, http.StatusOK)
}

func (s *story) callExpired(ctx context.Context) error {
	if err := s.outlive(ctx, s.first.AccessToken); err != nil {
		return err
	}
	return s.call(ctx, s.first.AccessToken, http.StatusUnauthorized)
}

func (s *story) refresh(ctx context.Context) error {
	granted, err := s.renew(ctx, s.first)
	s.second, s.newest = granted, granted
	return err
}

func (s *story) callWithSecond(ctx context.Context) error {
	return s.call(ctx, s.second.AccessToken, http.StatusOK)
}

func (s *story) refreshAgain(ctx context.Context) error {
	granted, err := s.renew(ctx, s.second)
	s.newest = granted
	return err
}

func (s *story) replay(ctx context.Context) error {
	return s.refuse(ctx, s.first)
}

func (s *story) refreshDead(ctx context.Context) error {
	return s.refuse(ctx, s.newest)
}

func (s *story) callDead(ctx context.Context) error {
	if err := s.outlive(ctx, s.newest.AccessToken); err != nil {
		return err
	}
	return s.call(ctx, s.newest.AccessToken, http.StatusUnauthorized)
}

// renew refreshes a pair and asks for another one.
func (s *story) renew(ctx context.Context, old pair) (pair, error) {
	granted, err := s.post(ctx, "refresh-token", http.StatusOK, tokensOf(old))
	switch {
	case err != nil:
		return pair{}, err
	case granted.AccessToken == "" || granted.RefreshToken == "":
		return pair{}, fmt.Errorf("%w: the answer contains no pair of tokens", errDiffers)
	case granted.RefreshToken == old.RefreshToken:
		return pair{}, fmt.Errorf("%w: the refresh token is the same as before", errDiffers)
	}
	return granted, nil
}

func (s *story) refuse(ctx context.Context, dead pair) error {
	_, err := s.post(ctx, "refresh-token", http.StatusBadRequest, tokensOf(dead))
	return err
}

func tokensOf(p pair) map[string]string {
	return map[string]string{"accessToken": p.AccessToken, "refreshToken": p.RefreshToken}
}

func (s *story) post(ctx context.Context, verb string, want int, body map[string]string) (pair, error) {
	e, granted, err := s.http.post(ctx, s.issuer+"/api/authentication/"+verb, body)
	if err != nil {
		return pair{}, err
	}
	s.out.exchanged(e)
	return granted, wantStatus(want, e.Status)
}

func (s *story) call(ctx context.Context, accessToken string, want int) error {
	e, err := s.http.forecast(ctx, s.weather+weather.Path, accessToken)
	if err != nil {
		return err
	}
	s.out.exchanged(e)
	return wantStatus(want, e.Status)
}

// wrongStatus is errDiffers where an answer has another status than it must.
type wrongStatus struct{ want, got int }

func (w *wrongStatus) Error() string {
	return fmt.Sprintf("%v: want %d %s, got %d %s", errDiffers, w.want, http.StatusText(w.want), w.got, http.StatusText(w.got))
}

func (w *wrongStatus) Unwrap() error { return errDiffers }

func wantStatus(want, got int) error {
	if got != want {
		return &wrongStatus{want, got}
	}
	return nil
}

// outlive waits until an access token has expired.
func (s *story) outlive(ctx context.Context, accessToken string) error {
	const margin = 50 * time.Millisecond
	c, err := decodeClaims(accessToken)
	if err != nil {
		return fmt.Errorf("%w: %w", errDiffers, err)
	}
	return s.out.waiting(ctx, time.Unix(c.Expiry, 0).Add(margin))
}
