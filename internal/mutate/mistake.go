package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// kind is a kind of mistake.
type kind string

const (
	dropCall      kind = "call dropped"
	dropHeader    kind = "header dropped"
	dropCheck     kind = "check dropped"
	dropEffect    kind = "effect dropped"
	dropField     kind = "field dropped"
	dropTerm      kind = "term dropped"
	swapSteps     kind = "steps swapped"
	swapArguments kind = "arguments swapped"
	offByOne      kind = "off by one"
	negated       kind = "negated"
	wrongClock    kind = "wrong clock"
	falseSuccess  kind = "error reported as success"

	sqlTerm       kind = "SQL term dropped"
	sqlSet        kind = "SQL effect dropped"
	sqlBound      kind = "SQL off by one"
	sqlClause     kind = "SQL clause dropped"
	sqlConstraint kind = "constraint dropped"
	sqlStatement  kind = "statement dropped"
	luaEffect     kind = "script effect dropped"
)

// mistake is one change of one file.
type mistake struct {
	file string // below the module, with slashes
	in   string // the function around it, or ""
	line int
	kind kind
	was  string // what stands there, in one line
	now  string // what is put there, in one line

	edits []edit // in order, apart from each other
}

// edit replaces the octets from start to end.
type edit struct {
	start, end int
	text       string
}

// apply returns the file with the mistake in it.
func (m mistake) apply(source []byte) []byte {
	var out bytes.Buffer
	at := 0
	for _, e := range m.edits {
		out.Write(source[at:e.start])
		out.WriteString(e.text)
		at = e.end
	}
	out.Write(source[at:])
	return out.Bytes()
}

func (m mistake) String() string {
	return fmt.Sprintf("%s:%d: %s: %s → %s", m.file, m.line, m.kind, m.was, m.now)
}

// planter finds the mistakes that can be made in a file.
type planter struct {
	file     string
	source   []byte
	in       string
	mistakes []mistake
}

// plant notes a mistake made by the edits.
func (p *planter) plant(k kind, edits ...edit) {
	slices.SortFunc(edits, func(a, b edit) int { return a.start - b.start })
	first, last := edits[0], edits[len(edits)-1]
	changed := mistake{edits: edits}.apply(p.source[:last.end])
	p.mistakes = append(p.mistakes, mistake{
		file: p.file, in: p.in, line: 1 + bytes.Count(p.source[:first.start], []byte("\n")), kind: k,
		was: inOneLine(p.source[first.start:last.end]), now: inOneLine(changed[first.start:]), edits: edits,
	})
}

// inOneLine is an excerpt for people.
func inOneLine(text []byte) string {
	const longest = 160
	line := strings.Join(strings.Fields(string(text)), " ")
	if len(line) > longest {
		line = strings.ToValidUTF8(line[:longest], "") + "…"
	}
	return line
}

// plantAll finds the mistakes of all files of some folders; tests are not touched.
func plantAll(dirs []string) ([]mistake, error) {
	var all []mistake
	for _, dir := range dirs {
		entries, err := os.ReadDir(filepath.FromSlash(dir))
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			found, err := plantFile(path.Join(dir, entry.Name()))
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
	}
	return all, nil
}

func plantFile(name string) ([]mistake, error) {
	if !strings.HasSuffix(name, ".sql") && (!strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go")) {
		return nil, nil
	}
	source, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	p := &planter{file: name, source: source}
	if strings.HasSuffix(name, ".sql") {
		p.migration()
	} else {
		err = p.program()
	}
	return numbered(p.mistakes), err
}

// numbered tells mistakes apart that are the same but for their place.
func numbered(all []mistake) []mistake {
	seen := make(map[identity]int)
	for i, m := range all {
		id := m.identity()
		if seen[id]++; seen[id] > 1 {
			all[i].was = fmt.Sprintf("%s (%d)", m.was, seen[id])
		}
	}
	return all
}

// pick puts the mistakes in random order in which the kinds take turns, so that a
// sample of any size holds every kind.
func pick(all []mistake, random *rand.Rand) []mistake {
	byKind := make(map[kind][]mistake)
	var kinds []kind
	for _, m := range all {
		if len(byKind[m.kind]) == 0 {
			kinds = append(kinds, m.kind)
		}
		byKind[m.kind] = append(byKind[m.kind], m)
	}
	random.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	for _, k := range kinds {
		of := byKind[k]
		random.Shuffle(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
	}
	picked := make([]mistake, 0, len(all))
	for turn := 0; len(picked) < len(all); turn++ {
		for _, k := range kinds {
			if turn < len(byKind[k]) {
				picked = append(picked, byKind[k][turn])
			}
		}
	}
	return picked
}
