package main

import (
	"regexp"
	"strings"
)

// Statements are written with their keywords in capitals, as the stores do.
var (
	isSQL = regexp.MustCompile(`\b(SELECT|UPDATE|INSERT|DELETE|WHERE|RETURNING|ORDER BY)\b`)
	isLua = regexp.MustCompile(`redis\.call\(`)

	operand   = `(?:[\w.]+\([^()]*\)|[\w.:']+|\$\d+|\?\d*)`
	predicate = regexp.MustCompile(`\b(WHERE|AND|OR|NOT)\s+(` + operand + `\s*(?:(?:=|<>|<=|>=|<|>)\s*` + operand + `|IS NOT NULL|IS NULL))`)
	bound     = regexp.MustCompile(`\s(<=|>=|<|>)\s`)
	setting   = regexp.MustCompile(`\bSET\s`)
	afterSet  = regexp.MustCompile(`\s(WHERE|FROM|RETURNING|ON)\b`)
	assigned  = regexp.MustCompile(`^\s*(\w+)\s*=\s*`)
	clause    = regexp.MustCompile(`\sDESC\b|\sFOR (?:UPDATE|SHARE)(?: OF [\w, ]+)?|\bDISTINCT\s|\sSKIP LOCKED\b`)
	chosen    = regexp.MustCompile(`(?i)\b(greatest|least|max|min|coalesce)\(([^(),]+), ([^()]+)\)`)

	schemaPart = regexp.MustCompile(`\bNOT NULL\b|\bUNIQUE\b|\bREFERENCES \w+ ?\([^()]*\)(?: ON DELETE [A-Z]+)?|\bPRIMARY KEY\b`)
	check      = regexp.MustCompile(`\bCHECK\s*\(`)
	luaLine    = regexp.MustCompile(`(?m)^[ \t]*(redis\.call\(.*|\w+ = .+)$`)
	luaTerm    = regexp.MustCompile(`( or [^\n]*?) then|, 'PX', ARGV\[\d\]`)
)

// embedded plants into a string that holds SQL or a script of Redis. start is where it
// stands in the file.
func (p *planter) embedded(text string, start int) {
	at := func(k kind, from, to int, now string) { p.plant(k, edit{start + from, start + to, now}) }
	if isLua.MatchString(text) {
		for _, m := range luaLine.FindAllStringSubmatchIndex(text, -1) {
			at(luaEffect, m[2], m[3], "")
		}
		for _, m := range luaTerm.FindAllStringSubmatchIndex(text, -1) {
			end := m[1]
			if m[2] >= 0 {
				end = m[3]
			}
			at(luaEffect, m[0], end, "")
		}
		return
	}
	if !isSQL.MatchString(text) {
		return
	}
	for _, m := range predicate.FindAllStringSubmatchIndex(text, -1) {
		at(sqlTerm, m[4], m[5], "("+text[m[4]:m[5]]+" OR 1 = 1)")
	}
	for _, m := range bound.FindAllStringSubmatchIndex(text, -1) {
		was := text[m[2]:m[3]]
		at(sqlBound, m[2], m[3], map[string]string{"<": "<=", "<=": "<", ">": ">=", ">=": ">"}[was])
	}
	for _, m := range clause.FindAllStringIndex(text, -1) {
		at(sqlClause, m[0], m[1], " ")
	}
	for _, m := range chosen.FindAllStringSubmatchIndex(text, -1) {
		at(sqlClause, m[0], m[1], text[m[4]:m[5]])
		at(sqlClause, m[0], m[1], text[m[6]:m[7]])
	}
	for _, m := range setting.FindAllStringIndex(text, -1) {
		for _, s := range assignments(text, m[1]) {
			at(sqlSet, s.start, s.end, s.text)
		}
	}
}

// assignments keeps each column of a SET as it is: `a = $1` becomes a value that uses
// $1, so that the statement still has all of its parameters.
func assignments(text string, from int) []edit {
	end := len(text)
	if m := afterSet.FindStringIndex(text[from:]); m != nil {
		end = from + m[0]
	}
	var kept []edit
	for _, part := range splitTop(text[from:end]) {
		m := assigned.FindStringSubmatchIndex(part.text)
		if m == nil {
			continue
		}
		column, value := part.text[m[2]:m[3]], strings.TrimRight(part.text[m[1]:], "`\"; \n\t")
		begin := from + part.start + m[1]
		kept = append(kept, edit{begin, begin + len(value), "CASE WHEN 1 = 1 THEN " + column + " ELSE " + value + " END"})
	}
	return kept
}

// splitTop splits at the commas that no parenthesis encloses.
func splitTop(text string) []edit {
	var parts []edit
	depth, begin := 0, 0
	for i, r := range text {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			parts = append(parts, edit{begin, i, text[begin:i]})
			begin = i + 1
		}
	}
	return append(parts, edit{begin, len(text), text[begin:]})
}

// migration finds the mistakes of a migration: a statement or constraint left out.
func (p *planter) migration() {
	text := string(p.source)
	for _, s := range statements(text) {
		p.plant(sqlStatement, edit{s.start, s.end, ""})
	}
	code := blankComments(text)
	for _, m := range schemaPart.FindAllStringIndex(code, -1) {
		p.plant(sqlConstraint, edit{m[0], m[1], ""})
	}
	for _, m := range check.FindAllStringIndex(code, -1) {
		if end := closing(code, m[1]-1); end > 0 {
			p.plant(sqlConstraint, edit{m[0], end, "CHECK (1 = 1)"})
		}
	}
}

// statements finds the statements of a migration; the body of a function or trigger
// belongs to its statement.
func statements(text string) []edit {
	var found []edit
	code := blankComments(text)
	begin, quoted, inTrigger := 0, false, false
	for i := 0; i < len(code); i++ {
		switch rest := code[i:]; {
		case strings.HasPrefix(rest, "$$"):
			quoted = !quoted
			i++
		case strings.HasPrefix(rest, "\nBEGIN\n"):
			inTrigger = !quoted
		case strings.HasPrefix(rest, "\nEND;"):
			inTrigger = false
		case code[i] == ';' && !quoted && !inTrigger:
			if body := strings.TrimSpace(code[begin : i+1]); body != ";" && !strings.HasPrefix(body, "RESET") {
				start := begin + strings.Index(code[begin:], body)
				found = append(found, edit{start, i + 1, ""})
			}
			begin = i + 1
		}
	}
	return found
}

// blankComments puts spaces where comments are, so that places stay the same.
func blankComments(text string) string {
	return regexp.MustCompile(`--[^\n]*`).ReplaceAllStringFunc(text, func(c string) string { return strings.Repeat(" ", len(c)) })
}

// closing is the place behind the parenthesis that closes the one at open.
func closing(text string, open int) int {
	depth := 0
	for i := open; i < len(text); i++ {
		switch text[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}
