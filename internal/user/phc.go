package user

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Params are the costs of argon2id (RFC 9106 §3.1).
type Params struct {
	MemoryKiB uint32
	Time      uint32 // passes over the memory
	Threads   uint8  // lanes
}

// The bounds of the hashes that we compute, for our own and for stored parameters: an attacker
// who can write to the users' table must not be able to stop the authority with one login.
const (
	maxMemoryKiB = 512 << 10
	maxWork      = 1 << 20 // KiB × passes, about a second of a core
	maxThreads   = 16

	minStoredSalt, maxStoredSalt = 8, 64 // octets
	minStoredKey, maxStoredKey   = 16, 64
	maxPHC                       = 256 // characters
)

func (p Params) check() error {
	switch {
	case p.Threads < 1 || p.Threads > maxThreads:
		return fmt.Errorf("%d lanes are not within 1 to %d", p.Threads, maxThreads)
	case p.Time < 1:
		return errors.New("at least one pass is needed")
	case p.MemoryKiB < 8*uint32(p.Threads) || p.MemoryKiB > maxMemoryKiB:
		return fmt.Errorf("%d KiB of memory are not within %d (8 for each lane) to %d", p.MemoryKiB, 8*uint32(p.Threads), maxMemoryKiB)
	case uint64(p.MemoryKiB)*uint64(p.Time) > maxWork:
		return fmt.Errorf("%d KiB of memory in %d passes are more work than %d KiB in one", p.MemoryKiB, p.Time, maxWork)
	}
	return nil
}

// phc is a password hash as the PHC string format writes it:
// $argon2id$v=19$m=19456,t=2,p=1$salt$key in base64 without padding.
type phc struct {
	params    Params
	salt, key []byte
}

func (h phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.params.MemoryKiB, h.params.Time, h.params.Threads,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.key))
}

// parsePHC reads what String writes and nothing else: one hash, one spelling.
// Its errors repeat no part of the salt or the key.
func parsePHC(text string) (phc, error) {
	if len(text) > maxPHC {
		return phc{}, fmt.Errorf("it is longer than %d characters", maxPHC)
	}
	fields := strings.Split(text, "$")
	if len(fields) != 6 || fields[0] != "" || fields[1] != "argon2id" || fields[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return phc{}, fmt.Errorf("it does not read $argon2id$v=%d$m=…,t=…,p=…$salt$key", argon2.Version)
	}
	params, err := parseParams(fields[3])
	if err != nil {
		return phc{}, err
	}
	salt, errSalt := base64.RawStdEncoding.DecodeString(fields[4])
	key, errKey := base64.RawStdEncoding.DecodeString(fields[5])
	if errSalt != nil || errKey != nil {
		return phc{}, errors.New("its salt or key is not base64 without padding")
	}
	if len(salt) < minStoredSalt || len(salt) > maxStoredSalt || len(key) < minStoredKey || len(key) > maxStoredKey {
		return phc{}, fmt.Errorf("its salt of %d or key of %d octets is out of bounds", len(salt), len(key))
	}
	read := phc{params: params, salt: salt, key: key}
	if read.String() != text {
		return phc{}, errors.New("it is not in canonical form")
	}
	return read, nil
}

func parseParams(field string) (Params, error) {
	memory, rest, _ := strings.Cut(field, ",")
	time, threads, _ := strings.Cut(rest, ",")
	m, errM := number(memory, "m=", 32)
	t, errT := number(time, "t=", 32)
	p, errP := number(threads, "p=", 8)
	if err := errors.Join(errM, errT, errP); err != nil {
		return Params{}, errors.New("its parameters do not read m=…,t=…,p=… in numbers that argon2id knows")
	}
	params := Params{MemoryKiB: uint32(m), Time: uint32(t), Threads: uint8(p)}
	return params, params.check()
}

func number(field, name string, bits int) (uint64, error) {
	digits, found := strings.CutPrefix(field, name)
	if !found {
		return 0, errors.New("missing " + name)
	}
	return strconv.ParseUint(digits, 10, bits)
}
