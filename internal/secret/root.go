package secret

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	rootSize    = 32 // octets
	encodedSize = 44 // characters of padded base64
	maxRoots    = 16
	howToMake   = "write 1:$(openssl rand -base64 32)"
	maxText     = maxRoots * 64 // longer than any canonical text of maxRoots entries
)

// Root is one root secret. Its ID is the MAC-key id that refresh tokens carry.
type Root struct {
	redacted
	// ID is 1–255 and unique among the roots of one authority.
	ID byte
	// Compromised marks a root that an attacker may know: nothing that depends on it must be
	// trusted any more, but old sealings can still be opened.
	Compromised bool
	key         *string // rootSize octets
}

// Roots are the root secrets of one authority. The first signs and seals; all
// of them verify and open.
type Roots []Root

// ParseRoots reads `1:base64(32 octets),2:base64…`, with `1!:` for a root that
// is compromised. Space around the whole text is allowed (files end in a
// newline), nowhere else. Errors say which entry is wrong and how to mend it,
// and never repeat any part of the text: a forgotten id makes the secret stand
// in the place of the id.
func ParseRoots(text string) (Roots, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, errors.New("the root secret is empty: " + howToMake)
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("the root secret is longer than %d characters: at most %d entries of the form id:base64", maxText, maxRoots)
	}
	entries := strings.Split(text, ",")
	if len(entries) > maxRoots {
		return nil, fmt.Errorf("the root secret has %d entries, at most %d are allowed: drop those whose tokens have all expired", len(entries), maxRoots)
	}
	roots := make(Roots, 0, len(entries))
	for i, entry := range entries {
		root, err := parseRoot(entry)
		if err == nil {
			err = roots.accept(root)
		}
		if err != nil {
			return nil, fmt.Errorf("root secret entry %d of %d %w", i+1, len(entries), err)
		}
		roots = append(roots, root)
	}
	return roots, nil
}

func parseRoot(entry string) (Root, error) {
	label, encoded, found := strings.Cut(entry, ":")
	if !found {
		return Root{}, errors.New("has no id: " + howToMake)
	}
	label, compromised := strings.CutSuffix(label, "!")
	id, err := strconv.ParseUint(label, 10, 8)
	if err != nil || id == 0 || label != strconv.FormatUint(id, 10) {
		return Root{}, errors.New("does not begin with an id from 1 to 255: " + howToMake)
	}
	// The decoder skips line breaks; the exact length rules them out.
	octets, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(octets) != rootSize || len(encoded) != encodedSize {
		return Root{}, fmt.Errorf("(id %d) is not standard padded base64 of exactly %d octets: write %d:$(openssl rand -base64 32)", id, rootSize, id)
	}
	key := string(octets)
	return Root{ID: byte(id), Compromised: compromised, key: &key}, nil
}

// accept reports whether root may follow the roots read so far.
func (rs Roots) accept(root Root) error {
	if len(rs) == 0 && root.Compromised {
		return fmt.Errorf("(id %d) comes first but is marked compromised: the first one signs, so put a new root before it", root.ID)
	}
	if *root.key == strings.Repeat("\x00", rootSize) {
		return fmt.Errorf("(id %d) is all zeros: replace it with %d:$(openssl rand -base64 32)", root.ID, root.ID)
	}
	for _, earlier := range rs {
		if earlier.ID == root.ID {
			return fmt.Errorf("repeats id %d: give every root an id of its own", root.ID)
		}
		if Equal([]byte(*earlier.key), []byte(*root.key)) {
			return fmt.Errorf("(id %d) holds the same octets as id %d: make a new one with openssl rand -base64 32", root.ID, earlier.ID)
		}
	}
	return nil
}

// GenerateRoots makes the roots of a first start: one, with id 1.
func GenerateRoots() Roots { return generate(1) }

// GenerateRoot makes one root with this id.
func GenerateRoot(id int) (Roots, error) {
	if id < 1 || id > 255 {
		return nil, fmt.Errorf("%d is not from 1 to 255", id)
	}
	return generate(byte(id)), nil
}

func generate(id byte) Roots {
	octets := make([]byte, rootSize)
	_, _ = rand.Read(octets) // never fails since Go 1.24
	key := string(octets)
	return Roots{{ID: id, key: &key}}
}

// Encode gives the text ParseRoots reads.
func (rs Roots) Encode() String {
	entries := make([]string, 0, len(rs))
	for _, root := range rs {
		mark := ""
		if root.Compromised {
			mark = "!"
		}
		entries = append(entries, fmt.Sprintf("%d%s:%s", root.ID, mark, base64.StdEncoding.EncodeToString([]byte(*root.key))))
	}
	return NewString(strings.Join(entries, ","))
}

// Active is the root that signs and seals. It panics where there are no roots;
// ParseRoots and GenerateRoots never give none.
func (rs Roots) Active() Root { return rs[0] }

// Find gives the root with this id.
func (rs Roots) Find(id byte) (Root, bool) {
	for _, root := range rs {
		if root.ID == id {
			return root, true
		}
	}
	return Root{}, false
}
