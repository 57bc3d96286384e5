package clock

import (
	"fmt"
	"strings"
	"time"
)

// Whose says whose clock it is, for people.
func (n Name) Whose() string {
	switch n {
	case Database:
		return "the database"
	case Redis:
		return "Redis"
	default:
		return "this machine"
	}
}

// Disagreement tells people which clock is wrong and by how much, as far as the clocks
// show it; "" when they agree.
func (c Clocks) Disagreement() string {
	if c.Agree() {
		return ""
	}
	offsets := c.Offsets()
	wrong, ok := c.Odd()
	if !ok && len(offsets) == 2 { // it may as well be the other one
		wrong = offsets[1]
		wrong.Ahead -= offsets[0].Ahead
		ok = true
	}
	if !ok {
		return "the clocks disagree: " + c.String()
	}
	var right []string
	for _, offset := range offsets {
		if offset.Name != wrong.Name {
			right = append(right, offset.Name.Whose()+"'s")
		}
	}
	way := "ahead of"
	if wrong.Ahead < 0 {
		way = "behind"
	}
	return fmt.Sprintf("the clock of %s is %s %s %s", wrong.Name.Whose(), wrong.Ahead.Abs().Round(time.Second), way, strings.Join(right, " and "))
}

// String gives the offset of each clock from the median.
func (c Clocks) String() string {
	var each []string
	for _, offset := range c.Offsets() {
		each = append(each, offset.String())
	}
	return strings.Join(each, ", ")
}

// String is the clock and its offset in whole seconds, with the sign.
func (o Offset) String() string { return o.Name.Whose() + " " + Signed(o.Ahead) }

// Signed writes an offset in whole seconds, with its sign.
func Signed(d time.Duration) string {
	d = d.Round(time.Second)
	if d < 0 {
		return d.String()
	}
	return "+" + d.String()
}
