package authority

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/token"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// Login checks a user's password and starts a session of the caller's client. An
// unknown user, a disabled one and a wrong password cost the same work and give the
// same ErrCredentials. [*ratelimit.Exceeded], user.ErrBusy.
func (a *Authority) Login(ctx context.Context, by Caller, username, password string) (Tokens, error) {
	tokens, err := a.login(ctx, by, username, password)
	a.Observer.LoggedIn(loginOutcome(err))
	return tokens, err
}

func (a *Authority) login(ctx context.Context, by Caller, username, password string) (Tokens, error) {
	if err := by.Refused(); err != nil {
		return Tokens{}, err
	}
	u, err := a.checkPassword(ctx, by.from, username, password)
	if errors.Is(err, ErrCredentials) {
		a.recordRefusedLogin(by, u)
	}
	if err != nil {
		return Tokens{}, err
	}
	return a.start(ctx, by, u, session.Session{})
}

// checkPassword finds the user of that name or e-mail address and password within the limits
// of tries, which are the same for all logins of a user. With ErrCredentials it returns whom the
// login belongs to.
func (a *Authority) checkPassword(ctx context.Context, from Origin, username, password string) (user.User, error) {
	began := time.Now()
	// Text that can't be a login becomes the empty one, which no user has: the attempt still
	// counts and costs the same work.
	login := user.ParseLogin(username)
	prepared, impossible := user.PreparePassword(password)
	u, name := user.User{}, "" // an impossible password is not looked up, and counts for no login: whose, it can't know
	if impossible == nil {
		var err error
		if u, name, err = a.account(ctx, login); err != nil {
			return user.User{}, err
		}
	}
	if err := ratelimit.SpendFrom(ctx, a.Limits, "login:"+name, from.Networks(), a.LoginRate); err != nil {
		return user.User{}, errors.Join(a.Hasher.Since(began).Refuse(ctx), err) // or its time would tell whether there is such a user
	}
	if impossible != nil { // no user can have such a password, so refusing it at once reveals nothing
		return user.User{}, ErrCredentials
	}
	claim, err := a.claim(ctx, u, from)
	if err != nil {
		return user.User{}, err
	}
	hasher := a.Hasher.For(claim).Since(began)
	if err := a.spendAccount(ctx, name, claim); err != nil {
		return user.User{}, errors.Join(hasher.Refuse(ctx), err)
	}
	return a.authenticate(ctx, hasher, u, prepared)
}

// account finds the user of a login, the zero one if nobody has it, and the name under which
// tries are counted.
func (a *Authority) account(ctx context.Context, login user.Login) (u user.User, name string, err error) {
	u, err = a.Users.UserByLogin(ctx, login)
	if errors.Is(err, user.ErrNotFound) {
		return user.User{}, login.String(), nil
	}
	return u, user.ParseLogin(u.Username).String(), err
}

// claim finds whether the caller is known to the user. It asks the same of the store of
// sessions if there is no such user.
func (a *Authority) claim(ctx context.Context, u user.User, from Origin) (user.Claim, error) {
	logins, err := a.Sessions.Sessions(ctx, session.Query{UserID: cmp.Or(u.ID, nobody), Limit: knownLogins})
	if err != nil {
		return user.Claim{}, err
	}
	return user.Claim{Networks: from.Networks(), Known: knows(logins, from, a.Clocks.Now().Reliable())}, nil
}

// spendAccount takes one try from what a name has from all addresses together, whether or not there is such a user.
// Those who are known to the user are exempt, or anybody could keep them out.
func (a *Authority) spendAccount(ctx context.Context, name string, claim user.Claim) error {
	if claim.Known {
		return nil
	}
	return ratelimit.Spend(ctx, a.Limits, "account:"+name, a.AccountRate)
}

// start begins a session of the user with the caller's client, which grants what s says,
// and issues its first tokens. ErrCredentials when the user has changed meanwhile.
func (a *Authority) start(ctx context.Context, by Caller, u user.User, s session.Session) (Tokens, error) {
	family := session.NewFamily()
	s.ID, s.Family, s.UserID, s.ClientID = uuid.Must(uuid.NewV7()).String(), family.Hash(), u.ID, by.client.ID
	s.Checkpoint, s.Address, s.UserAgent = 1, by.from.Address, by.from.UserAgent
	event := by.event(audit.SessionStarted, audit.ByUser(u.ID)).StartOf(s.ID, u.ID, s.ClientID)
	var signer *token.Signer
	s, err := a.Sessions.StartSession(ctx, s, session.Terms{
		Lifetime: orDefault(by.client.MaxTTL, a.Lifetimes.MaxTTL), Start: a.Clocks.Now().Reliable(),
		Seen: u.SessionsValidAfter, Idle: a.Lifetimes.IdleTTL, Reuse: a.reuse(),
		Allow: func(start time.Time) (err error) { // a session without its tokens would be useless
			signer, err = a.Keys.Signer(a.Clocks.At(start).Reliable())
			return err
		},
	}, event)
	if errors.Is(err, session.ErrUserChanged) {
		return Tokens{}, ErrCredentials
	}
	if err != nil {
		return Tokens{}, err
	}
	now := a.Clocks.At(s.CreatedAt).Reliable()
	a.limit(ctx, by, s, now)
	return a.issuePair(signer, s.Grant(), session.RefreshToken{Family: family, Generation: 1, IssuedAt: now.Truncate(time.Second)}, now)
}

// authenticate compares the password, with the same work whether or not there is such a user.
func (a *Authority) authenticate(ctx context.Context, hasher *user.Hasher, u user.User, password string) (user.User, error) {
	hash := u.PasswordHash
	if !u.Active() {
		hash = "" // as of an unknown user: the hasher compares with a hash of nobody's password
	}
	match, stale, err := hasher.Verify(ctx, hash, password)
	switch {
	case errors.Is(err, user.ErrHash):
		a.Log.Error("stored password hash is damaged; set a new password with `mintmark users set-password`", "user", u.ID)
		return u, ErrCredentials
	case err != nil:
		return user.User{}, fmt.Errorf("verify password: %w", err)
	case !match:
		return u, ErrCredentials
	case stale:
		a.rehash(ctx, hasher, u, password)
	}
	return u, nil
}

// rehash stores the password under the current parameters. The login has already
// succeeded, so a failure is only logged: the next login tries again.
func (a *Authority) rehash(ctx context.Context, hasher *user.Hasher, u user.User, password string) {
	better, err := hasher.Hash(ctx, password)
	if err == nil {
		err = a.Users.ReplaceHash(ctx, u.ID, u.PasswordHash, better)
	}
	if err != nil {
		a.Log.Warn("rehash password", "user", u.ID, "err", err)
	}
}

func loginOutcome(err error) string {
	_, limited := errors.AsType[*ratelimit.Exceeded](err)
	switch {
	case err == nil:
		return "success"
	case errors.Is(err, ErrCredentials):
		return "refused"
	case limited:
		return "limited"
	default:
		return "error"
	}
}

func orDefault(own *time.Duration, fallback time.Duration) time.Duration {
	if own != nil {
		return *own
	}
	return fallback
}
