package postgres

import (
	"strconv"
	"strings"
)

// conditions gathers the WHERE clause of a listing and its arguments. A condition is
// constant text but for the placeholders that arg returns: values only ever travel as
// arguments.
type conditions struct {
	text []string
	args []any
}

// arg adds an argument and returns the placeholder that stands for it, $1 for the first.
func (c *conditions) arg(value any) string {
	c.args = append(c.args, value)
	return "$" + strconv.Itoa(len(c.args))
}

// add demands that a condition holds.
func (c *conditions) add(condition string) { c.text = append(c.text, condition) }

// String is the WHERE clause, empty when everything is wanted.
func (c *conditions) String() string {
	if len(c.text) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.text, " AND ")
}

// limit is the LIMIT clause.
func (c *conditions) limit(rows int) string { return " LIMIT " + c.arg(pageSize(rows)) }
