package verifier

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

const (
	// maxInflated bounds a list after decompression: 2^23 tokens at one bit each. A list of ours is 16 KiB.
	maxInflated = 1 << 20
	// statusListType is the typ of a status list token, and its media type after "application/".
	statusListType = "statuslist+jwt"
)

// reference locates a token's status: the bits of an index in a list (draft-ietf-oauth-status-list §6.2).
type reference struct {
	uri string
	idx uint64
}

// referenceOf reads the claim status. A claim without status_list is for another mechanism, which is not a defect.
func referenceOf(value string) (reference, bool) {
	members, err := parseObject(value)
	if err != nil {
		return reference{}, false
	}
	for _, m := range members {
		if m.name == "status_list" {
			return statusListOf(m.value)
		}
	}
	return reference{}, true
}

func statusListOf(value string) (r reference, ok bool) {
	members, err := parseObject(value)
	if err != nil {
		return reference{}, false
	}
	var hasIndex bool
	for _, m := range members {
		switch m.name {
		case "uri":
			r.uri, _ = stringOf(m.value)
		case "idx":
			r.idx, err = strconv.ParseUint(m.value, 10, 53)
			hasIndex = err == nil
		}
	}
	return r, hasIndex && r.uri != ""
}

// statuses is a status list that was verified. It never changes.
type statuses struct {
	bits     uint64 // per status: 1, 2, 4 or 8
	packed   []byte // the first status in the least significant bits of the first byte
	issuedAt time.Time
	expiry   time.Time
	etag     string
	keySet   string // that its issuer publishes; empty if the list names none
}

// at returns the status of a token, 0 for a valid one; ok is false if the list is too short for idx.
func (s *statuses) at(idx uint64) (status byte, ok bool) {
	perByte := 8 / s.bits
	if idx/perByte >= uint64(len(s.packed)) {
		return 0, false
	}
	return s.packed[idx/perByte] >> (idx % perByte * s.bits) & (1<<s.bits - 1), true
}

// renewal is when the verifier starts to request the list as if it knew none, so that the list is renewed before it
// expires even if it has not changed.
func (s *statuses) renewal() time.Time {
	return s.issuedAt.Add(s.expiry.Sub(s.issuedAt) * 3 / 4)
}

// with returns s, with the revocations of old added if both were issued in the same second: two replicas may have
// signed them, and the clock can't tell which one knew more. The result has the length of the longer one.
func (s *statuses) with(old *statuses) *statuses {
	if old == nil || !old.issuedAt.Equal(s.issuedAt) || old.bits != s.bits {
		return s
	}
	longer, shorter := s.packed, old.packed
	if len(longer) < len(shorter) {
		longer, shorter = shorter, longer
	}
	merged := *s
	merged.packed = bytes.Clone(longer)
	for i, b := range shorter {
		merged.packed[i] |= b
	}
	return &merged
}

// timely checks that s can be used now. A list from the future would block all lists from the present.
func (s *statuses) timely(now time.Time, ahead time.Duration) error {
	switch {
	case !now.Before(s.expiry):
		return errors.New("it has expired (exp)")
	case s.issuedAt.After(now.Add(ahead)):
		return errors.New("it was issued in the future (iat)")
	}
	return nil
}

// readStatuses reads the claims of issuer's status list token at uri (§5.1, §8.3).
func readStatuses(payload, issuer, uri string) (*statuses, error) {
	decoded, ok := decodeSegment(payload)
	if !ok {
		return nil, errNotBase64
	}
	members, err := parseObject(string(decoded))
	if err != nil {
		return nil, err
	}
	list, subject := &statuses{}, ""
	for _, m := range members {
		ok := true
		switch m.name {
		case "iss":
			var iss string
			iss, ok = stringOf(m.value)
			ok = ok && iss == issuer
		case "sub":
			subject, ok = stringOf(m.value)
		case "iat":
			list.issuedAt, ok = timeOf(m.value)
		case "exp":
			list.expiry, ok = timeOf(m.value)
		case newsClaim:
			list.keySet, ok = stringOf(m.value)
		case "status_list":
			err = list.unpack(m.value)
		}
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("its claim %s has a wrong type or value", m.name)
		}
	}
	switch {
	case subject != uri:
		return nil, fmt.Errorf("it is the list %.200q (sub)", subject)
	case list.bits == 0 || list.issuedAt.IsZero() || list.expiry.IsZero():
		return nil, errors.New("it lacks status_list, iat or exp")
	}
	return list, nil
}

// unpack reads {"bits": …, "lst": …} (§4.2).
func (s *statuses) unpack(value string) error {
	members, err := parseObject(value)
	if err != nil {
		return err
	}
	var packed []byte
	for _, m := range members {
		switch m.name {
		case "bits":
			switch m.value {
			case "1", "2", "4", "8":
				s.bits = uint64(m.value[0] - '0')
			}
		case "lst":
			text, _ := stringOf(m.value)
			packed, _ = decodeSegment(text)
		}
	}
	if s.bits == 0 {
		return errors.New("its bits are not 1, 2, 4 or 8")
	}
	s.packed, err = inflate(packed)
	return err
}

func inflate(packed []byte) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("decompress lst: %w", err)
	}
	defer z.Close()
	flat, err := io.ReadAll(io.LimitReader(z, maxInflated+1))
	if err != nil {
		return nil, fmt.Errorf("decompress lst: %w", err)
	}
	if len(flat) == 0 || len(flat) > maxInflated {
		return nil, fmt.Errorf("its list is empty or larger than %d bytes", maxInflated)
	}
	return flat, nil
}
