package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// program finds the mistakes of a Go file.
func (p *planter) program() error {
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, p.file, p.source, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		return err
	}
	if ast.IsGenerated(file) {
		return nil
	}
	g := &goFile{planter: p, start: token.Pos(positions.File(file.Pos()).Base()), hasTime: imports(file, "time")}
	for _, d := range file.Decls {
		p.in = ""
		if f, ok := d.(*ast.FuncDecl); ok {
			p.in = f.Name.Name
		}
		g.declaration(d)
	}
	return nil
}

// goFile plants mistakes into one file of Go.
type goFile struct {
	*planter
	start   token.Pos // of the file
	hasTime bool      // it imports package time
}

func imports(file *ast.File, path string) bool {
	return slices.ContainsFunc(file.Imports, func(s *ast.ImportSpec) bool { return s.Path.Value == `"`+path+`"` && s.Name == nil })
}

func (g *goFile) replace(n ast.Node, text string) edit {
	return edit{int(n.Pos() - g.start), int(n.End() - g.start), text}
}

func (g *goFile) text(n ast.Node) string {
	return string(g.source[n.Pos()-g.start : n.End()-g.start])
}

// declaration walks a declaration with the functions around each node, whose results
// its return statements give.
func (g *goFile) declaration(d ast.Decl) {
	var around []ast.Node
	ast.Inspect(d, func(n ast.Node) bool {
		if n == nil {
			around = around[:len(around)-1]
			return true
		}
		if call, ok := n.(*ast.CallExpr); ok && isLogging(call) {
			return false
		}
		g.node(n, around)
		around = append(around, n)
		return true
	})
}

func (g *goFile) node(n ast.Node, around []ast.Node) {
	switch n := n.(type) {
	case *ast.BlockStmt:
		g.steps(n.List)
	case *ast.CaseClause:
		g.steps(n.Body)
		if len(n.List) > 1 {
			last := n.List[len(n.List)-1]
			g.plant(dropTerm, edit{int(n.List[len(n.List)-2].End() - g.start), int(last.End() - g.start), ""})
		}
	case *ast.CommClause:
		g.steps(n.Body)
	case *ast.ReturnStmt:
		g.result(n, around)
	case ast.Expr:
		g.expression(n, around)
	}
}

// steps plants into a list of statements: one left out, or two in the wrong order.
func (g *goFile) steps(list []ast.Stmt) {
	for i, s := range list {
		g.step(s)
		if i > 0 && isStep(list[i-1]) && isStep(s) {
			g.plant(swapSteps, g.replace(list[i-1], g.text(s)), g.replace(s, g.text(list[i-1])))
		}
	}
}

// step leaves a statement out. It stays where the compiler sees it, so that what it
// uses is still used.
func (g *goFile) step(s ast.Stmt) {
	never := func(k kind) { g.plant(k, g.replace(s, "if false { "+g.text(s)+" }")) }
	switch s := s.(type) {
	case *ast.ExprStmt:
		call, ok := s.X.(*ast.CallExpr)
		switch {
		case !ok || isLogging(call):
		case setsHeader(call):
			never(dropHeader)
		default:
			never(dropCall)
		}
	case *ast.DeferStmt:
		if !releases(s.Call) {
			never(dropCall)
		}
	case *ast.GoStmt:
		never(dropCall)
	case *ast.SendStmt, *ast.IncDecStmt:
		never(dropEffect)
	case *ast.AssignStmt:
		if s.Tok != token.DEFINE && !isBlank(s.Lhs) {
			never(dropEffect)
		}
	case *ast.IfStmt:
		if s.Else == nil && leaves(s.Body) {
			g.plant(dropCheck, g.replace(s.Cond, "false && ("+g.text(s.Cond)+")"))
		}
	}
}

// result reports an error as success.
func (g *goFile) result(r *ast.ReturnStmt, around []ast.Node) {
	results := resultsAround(around)
	if results == nil || len(r.Results) == 0 || len(r.Results) != results.NumFields() {
		return
	}
	kindOf, ok := results.List[len(results.List)-1].Type.(*ast.Ident)
	last := r.Results[len(r.Results)-1]
	if ok && kindOf.Name == "error" && !isNamed(last, "nil") {
		g.plant(falseSuccess, g.replace(last, "nil"))
	}
}

func resultsAround(around []ast.Node) *ast.FieldList {
	for _, n := range slices.Backward(around) {
		switch f := n.(type) {
		case *ast.FuncLit:
			return f.Type.Results
		case *ast.FuncDecl:
			return f.Type.Results
		}
	}
	return nil
}

// isStep reports whether a statement does something that its neighbours could come
// before or after; one that declares a name is bound to its place.
func isStep(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.ExprStmt:
		call, ok := s.X.(*ast.CallExpr)
		return ok && !isLogging(call)
	case *ast.AssignStmt:
		return s.Tok == token.ASSIGN
	case *ast.IfStmt:
		return s.Else == nil && leaves(s.Body)
	default:
		return false
	}
}

// leaves reports whether a block ends by going elsewhere.
func leaves(b *ast.BlockStmt) bool {
	if len(b.List) == 0 {
		return false
	}
	switch b.List[len(b.List)-1].(type) {
	case *ast.ReturnStmt, *ast.BranchStmt:
		return true
	default:
		return false
	}
}

// isLogging: the words of the log are for people, and no test reads each.
func isLogging(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	levels := []string{"Debug", "Info", "Warn", "Error", "Log"}
	of := strings.ToLower(lastName(f.X))
	return slices.Contains(levels, f.Sel.Name) && (of == "log" || of == "slog" || of == "logger")
}

// releases reports whether a deferred call only gives back a resource that no test
// can see; linters look for those.
func releases(call *ast.CallExpr) bool {
	name := lastName(call.Fun)
	return slices.Contains([]string{"cancel", "Close", "Stop", "Unlock", "RUnlock", "stop"}, name)
}

// setsHeader reports whether a call sets a header by its name.
func setsHeader(call *ast.CallExpr) bool {
	if !slices.Contains([]string{"Header", "Set", "Add", "Del"}, lastName(call.Fun)) || len(call.Args) == 0 {
		return false
	}
	name, ok := call.Args[0].(*ast.BasicLit)
	return ok && name.Kind == token.STRING
}

func isBlank(names []ast.Expr) bool {
	return !slices.ContainsFunc(names, func(e ast.Expr) bool { return !isNamed(e, "_") })
}

func isNamed(e ast.Expr, name string) bool {
	ident, ok := e.(*ast.Ident)
	return ok && ident.Name == name
}

// lastName is the name that an expression ends with.
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.CallExpr:
		return lastName(e.Fun)
	default:
		return ""
	}
}
