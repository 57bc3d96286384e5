package user

import "net/netip"

// Claim says for whom a password is hashed, and so whose turn it is.
type Claim struct {
	Networks []netip.Prefix // that the caller is in, the narrowest first
	// Known says that the user logged in from there before. Known callers have places of their own, and every second
	// turn while others wait, too: a flood of strangers doesn't keep them out.
	Known bool
}

// levels is how many networks may be nested, the widest being level 0.
const levels = 3

// network is the caller's network of a level; a caller with fewer levels has the narrowest again.
func (c Claim) network(level int) netip.Prefix {
	if len(c.Networks) == 0 {
		return netip.Prefix{}
	}
	return c.Networks[max(len(c.Networks)-1-level, 0)]
}

// leaves returns which of those who wait has to leave when there is a place too few, the last one being the newest: of
// the widest network from which most wait, and in it of the narrower one from which most wait, the newest. So who
// comes alone takes the place of one of a crowd, and never the other way round.
func leaves(waiting []Claim) int {
	crowd := make([]int, len(waiting))
	for i := range waiting {
		crowd[i] = i
	}
	for level := range levels {
		crowd = largest(waiting, crowd, level)
	}
	return crowd[len(crowd)-1]
}

// largest returns those of the crowd that are in the network of which there are most, the last one's if in doubt.
func largest(waiting []Claim, crowd []int, level int) []int {
	of := make(map[netip.Prefix][]int)
	for _, i := range crowd {
		network := waiting[i].network(level)
		of[network] = append(of[network], i)
	}
	most := of[waiting[crowd[len(crowd)-1]].network(level)]
	for _, i := range crowd {
		if group := of[waiting[i].network(level)]; len(group) > len(most) {
			most = group
		}
	}
	return most
}

// served is the turn at which a network that still waits was last served.
type served map[netip.Prefix]int

// next returns whose turn it is: of the widest network that was served the longest ago, or not at all, the narrower one
// of which that is true, and in it who came first.
func (s served) next(waiting []Claim) int {
	first := 0
	for i := range waiting {
		if s.before(waiting[i], waiting[first]) {
			first = i
		}
	}
	return first
}

func (s served) before(a, b Claim) bool {
	for level := range levels {
		if x, y := s[a.network(level)], s[b.network(level)]; x != y {
			return x < y
		}
	}
	return false
}

// after returns what is left to remember when the caller was served at that turn: of the networks that still wait.
func (s served) after(c Claim, turn int, waiting []Claim) served {
	left := make(served)
	for _, w := range waiting {
		for level := range levels {
			network := w.network(level)
			if network == c.network(level) {
				left[network] = turn
			} else if at, ok := s[network]; ok {
				left[network] = at
			}
		}
	}
	return left
}
