package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate allows Limit tries per Per. The zero Rate is off: it allows everything.
// It converts to ratelimit.Rate, which this package may not import.
type Rate struct {
	Limit int
	Per   time.Duration
}

// Unlimited reports whether the rate is off.
func (r Rate) Unlimited() bool { return r.Limit <= 0 || r.Per <= 0 }

// String gives the form it is written in: `10/m`, `off`.
func (r Rate) String() string {
	if r.Unlimited() {
		return off
	}
	for _, u := range rateUnits() {
		if u.per == r.Per {
			return strconv.Itoa(r.Limit) + "/" + u.name
		}
	}
	return fmt.Sprintf("%d/%s", r.Limit, r.Per)
}

// LoginRates are the two limits on logging in.
type LoginRates struct {
	PerUser    Rate // for one user name from one address
	PerAddress Rate // for one address, whatever the user name
}

func (r LoginRates) String() string {
	if r.PerUser.Unlimited() && r.PerAddress.Unlimited() {
		return off
	}
	return r.PerUser.String() + "," + r.PerAddress.String()
}

const (
	off          = "off"
	maxRateLimit = 1_000_000
	rateMend     = "write a number and s, m or h, like 10/m, or off"
)

type rateUnit struct {
	name string
	per  time.Duration
}

func rateUnits() []rateUnit {
	return []rateUnit{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}
}

func parseRate(text string) (Rate, error) {
	if text == off {
		return Rate{}, nil
	}
	count, unit, _ := strings.Cut(text, "/")
	limit, err := strconv.Atoi(count)
	if err != nil || limit < 1 || limit > maxRateLimit || count != strconv.Itoa(limit) {
		return Rate{}, defectf(rateMend, "%s is not a rate of 1 to %d tries", quote(text), maxRateLimit)
	}
	for _, u := range rateUnits() {
		if u.name == unit {
			return Rate{Limit: limit, Per: u.per}, nil
		}
	}
	return Rate{}, defectf(rateMend, "%s has no known unit of time", quote(text))
}

// parseLoginRates reads `10/m` (per user and address, leaving the limit per
// address at its default), `10/m,60/m`, or `off` for both.
func parseLoginRates(text string) (LoginRates, error) {
	if text == off {
		return LoginRates{}, nil
	}
	parts := splitList(text)
	if len(parts) < 1 || len(parts) > 2 {
		return LoginRates{}, defectf("write one like 10/m, or two like 10/m,60/m (per user and address, per address), or off",
			"%s is not one rate or two", quote(text))
	}
	rates := LoginRates{PerAddress: Rate{Limit: 60, Per: time.Minute}}
	var err error
	if rates.PerUser, err = parseRate(parts[0]); err != nil {
		return LoginRates{}, err
	}
	if len(parts) == 2 {
		rates.PerAddress, err = parseRate(parts[1])
	}
	return rates, err
}
