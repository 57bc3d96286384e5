package postgres

import (
	"strconv"
	"strings"
)

// conditions gathers the WHERE clause of a listing and its arguments. Texts are
// constants; values only ever travel as arguments.
type conditions struct {
	text []string
	args []any
}

// add demands that a constant comparison, which ends in its operator, holds for a value.
func (c *conditions) add(comparison string, value any) {
	c.args = append(c.args, value)
	c.text = append(c.text, comparison+"$"+strconv.Itoa(len(c.args)))
}

// addAll demands a constant condition, in which each $ stands for one of the values.
func (c *conditions) addAll(condition string, values ...any) {
	for _, value := range values {
		c.args = append(c.args, value)
		condition = strings.Replace(condition, "$::", "$"+strconv.Itoa(len(c.args))+"::", 1)
	}
	c.text = append(c.text, condition)
}

// String is the WHERE clause, empty when everything is wanted.
func (c *conditions) String() string {
	if len(c.text) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.text, " AND ")
}

// limit is the LIMIT clause.
func (c *conditions) limit(rows int) string {
	c.args = append(c.args, pageSize(rows))
	return " LIMIT $" + strconv.Itoa(len(c.args))
}
