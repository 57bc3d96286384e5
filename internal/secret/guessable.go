package secret

// fewOctets is how many distinct octets an invented root may have; random ones have 30 on average.
const fewOctets = 16

// Guessable says what makes a root look invented, or "" if nothing does. It can't know how a root was made: it knows
// text, few distinct octets (one repeated, a short period, hex digits, small numbers) and octets with a constant
// step. Of random roots it takes less than one in 2^43 for invented:
//   - all 32 octets are text: (98/256)^32 < 2^-44;
//   - they have at most 16 distinct values: C(256,16)·(16/256)^32 < 2^-44;
//   - each is the one before it plus the same step: 256^-30 = 2^-240.
func (r Root) Guessable() string {
	octets := []byte(*r.key)
	defer clear(octets)
	switch {
	case isText(octets):
		return "is text"
	case distinct(octets) <= fewOctets:
		return "repeats a few octets"
	case hasConstantStep(octets):
		return "counts up or down"
	}
	return ""
}

func isText(octets []byte) bool {
	for _, o := range octets {
		if printable := ' ' <= o && o <= '~'; !printable && o != '\n' && o != '\r' && o != '\t' {
			return false
		}
	}
	return true
}

func distinct(octets []byte) int {
	seen := make(map[byte]bool, len(octets))
	for _, o := range octets {
		seen[o] = true
	}
	return len(seen)
}

func hasConstantStep(octets []byte) bool {
	for i := 2; i < len(octets); i++ {
		if octets[i]-octets[i-1] != octets[1]-octets[0] {
			return false
		}
	}
	return true
}
