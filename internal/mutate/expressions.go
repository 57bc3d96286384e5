package main

import (
	"go/ast"
	"go/token"
	"strings"
)

// expression plants into what is computed.
func (g *goFile) expression(e ast.Expr, around []ast.Node) {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		g.binary(e)
	case *ast.UnaryExpr:
		if e.Op == token.NOT {
			g.plant(negated, g.replace(e, "("+g.text(e.X)+")"))
		}
	case *ast.CallExpr:
		g.call(e)
	case *ast.CompositeLit:
		g.fields(e)
	case *ast.SelectorExpr:
		if e.Sel.Name == "Now" && g.hasTime && !isCalled(e, around) {
			g.plant(wrongClock, g.replace(e, "time.Now()"))
		}
	case *ast.Ident:
		if e.Name == "now" && g.hasTime && isValue(e, around) {
			g.plant(wrongClock, g.replace(e, "time.Now()"))
		}
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			g.embedded(g.text(e), int(e.Pos()-g.start))
		}
	}
}

// binary plants into comparisons and conditions.
func (g *goFile) binary(e *ast.BinaryExpr) {
	operator := func(k kind, now string) {
		g.plant(k, g.replace(e, g.text(e.X)+" "+now+" "+g.text(e.Y)))
	}
	switch e.Op {
	case token.LSS:
		operator(offByOne, "<=")
	case token.LEQ:
		operator(offByOne, "<")
	case token.GTR:
		operator(offByOne, ">=")
	case token.GEQ:
		operator(offByOne, ">")
	case token.EQL:
		if !isNamed(e.Y, "nil") {
			operator(negated, "!=")
		}
	case token.NEQ:
		if !isNamed(e.Y, "nil") {
			operator(negated, "==")
		}
	case token.LAND, token.LOR:
		g.plant(dropTerm, g.replace(e, "("+g.text(e.X)+")"))
		g.plant(dropTerm, g.replace(e, "("+g.text(e.Y)+")"))
	default:
	}
}

// call plants into a call: its arguments, and the calls that are comparisons.
func (g *goFile) call(e *ast.CallExpr) {
	g.arguments(e)
	switch f := e.Fun.(type) {
	case *ast.SelectorExpr:
		before := g.text(f.X)
		switch {
		case len(e.Args) == 1 && f.Sel.Name == "Before":
			g.plant(offByOne, g.replace(e, "(!"+before+".After("+g.text(e.Args[0])+"))"))
		case len(e.Args) == 1 && f.Sel.Name == "After":
			g.plant(offByOne, g.replace(e, "(!"+before+".Before("+g.text(e.Args[0])+"))"))
		case before == "time" && f.Sel.Name == "Now":
			g.plant(wrongClock, g.replace(e, "time.Now().Add(time.Hour)"))
		case before == "context" && f.Sel.Name == "WithoutCancel":
			g.plant(dropCall, g.replace(e, g.text(e.Args[0])))
		}
	case *ast.Ident:
		switch f.Name {
		case "max":
			g.plant(offByOne, g.replace(f, "min"))
		case "min":
			g.plant(offByOne, g.replace(f, "max"))
		}
	}
}

// arguments swaps neighbours that the compiler may not tell apart.
func (g *goFile) arguments(e *ast.CallExpr) {
	if lastName(e.Fun) == "Errorf" || lastName(e.Fun) == "Sprintf" {
		return
	}
	for i := 1; i < len(e.Args); i++ {
		a, b := e.Args[i-1], e.Args[i]
		if isPlain(a) && isPlain(b) && g.text(a) != g.text(b) {
			g.plant(swapArguments, g.replace(a, g.text(b)), g.replace(b, g.text(a)))
		}
	}
}

// isPlain reports whether an argument is a name or a constant.
func isPlain(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name != "ctx" && e.Name != "nil"
	case *ast.SelectorExpr, *ast.BasicLit:
		return true
	default:
		return false
	}
}

// fields leaves out the fields of a struct's literal, one at a time.
func (g *goFile) fields(e *ast.CompositeLit) {
	if _, ok := e.Type.(*ast.MapType); ok {
		return
	}
	for _, element := range e.Elts {
		field, ok := element.(*ast.KeyValueExpr)
		if !ok {
			return
		}
		if _, ok := field.Key.(*ast.Ident); !ok {
			return
		}
		gone := g.replace(field, "")
		if rest := string(g.source[gone.end:]); strings.HasPrefix(rest, ",") {
			gone.end++
		}
		g.plant(dropField, gone)
	}
}

// isCalled reports whether an expression is the function of the call around it.
func isCalled(e ast.Expr, around []ast.Node) bool {
	if len(around) == 0 {
		return false
	}
	call, ok := around[len(around)-1].(*ast.CallExpr)
	return ok && call.Fun == e
}

// isValue reports whether a name is read where it stands: not declared, assigned or
// part of a longer name.
func isValue(e *ast.Ident, around []ast.Node) bool {
	if len(around) == 0 {
		return false
	}
	switch n := around[len(around)-1].(type) {
	case *ast.CallExpr:
		return n.Fun != e
	case *ast.BinaryExpr:
		return true
	case *ast.KeyValueExpr:
		return n.Value == e
	case *ast.SelectorExpr:
		return n.X == e
	default:
		return false
	}
}
