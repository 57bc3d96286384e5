package config

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// readYAML reads the file that --config names.
func (l *loader) readYAML(flags *pflag.FlagSet) {
	f := flags.Lookup(configFlag)
	if f == nil || !f.Changed {
		return
	}
	path := f.Value.String()
	content, exposed, err := readFile(path)
	if err != nil {
		l.blind = true
		l.report("", "flag --"+configFlag, err)
		return
	}
	entries, err := yamlEntries(content)
	if err != nil {
		l.blind = true
		l.report("", path, err)
		return
	}
	l.takeYAML(path, l.withoutRepeats(path, entries))
	for _, k := range l.keys {
		if text, given := l.values[k.name]; given { // by this file, which is read first
			l.warnExposed(k, path, text, exposed)
		}
	}
}

// yamlEntry is one key of the file and what stands after its colon.
type yamlEntry struct {
	name  string
	line  int
	value *yaml.Node
}

// yamlEntries reads the lines of the one document that content may hold. No error
// holds what the parser quotes, which may be a secret.
func yamlEntries(content string) ([]yamlEntry, error) {
	var document, second yaml.Node
	d := yaml.NewDecoder(strings.NewReader(content))
	switch err := d.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, notYAML(lineOf(err))
	}
	switch err := d.Decode(&second); {
	case err == nil:
		return nil, &defect{"it holds more than one YAML document, and only the first would count", "remove the line --- and the document that does not belong there"}
	case !errors.Is(err, io.EOF):
		return nil, notYAML(lineOf(err))
	}
	root := document.Content[0] // of a document, its one node
	if root.ShortTag() == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, notYAML(root.Line)
	}
	var entries []yamlEntry
	for pair := range slices.Chunk(root.Content, 2) {
		entries = append(entries, yamlEntry{name: pair[0].Value, line: pair[0].Line, value: pair[1]})
	}
	return entries, nil
}

// lineOf is the line that a syntax error begins with, or 0.
func lineOf(err error) (line int) {
	_, _ = fmt.Sscanf(err.Error(), "yaml: line %d:", &line) // else it names none
	return line
}

func notYAML(line int) error {
	where := ""
	if line > 0 {
		where = fmt.Sprintf(" near line %d", line)
	}
	return &defect{"it is not a YAML file of lines `key: value`" + where, "correct the file; put texts with special characters in quotes"}
}

// withoutRepeats reports the entries whose key stood before, and gives the others.
func (l *loader) withoutRepeats(path string, entries []yamlEntry) []yamlEntry {
	first := make(map[string]int, len(entries)) // line, by name
	var kept []yamlEntry
	for _, e := range entries {
		line, repeated := first[e.name]
		if !repeated {
			first[e.name] = e.line
			kept = append(kept, e)
			continue
		}
		name := "a key"
		if _, ok := l.find(prefix + strings.ToUpper(e.name)); ok {
			name = e.name
		}
		l.report("", path, &defect{fmt.Sprintf("%s is in line %d and again in line %d", name, line, e.line), "remove one of them"})
	}
	return kept
}

func (l *loader) takeYAML(path string, entries []yamlEntry) {
	known := make([]string, 0, len(l.keys))
	for _, k := range l.keys {
		known = append(known, yamlName(k.name))
	}
	for _, e := range entries {
		i := slices.Index(known, e.name)
		if i < 0 {
			l.report(printable(e.name), path, unknown(yamlName(strings.ToUpper(strings.ReplaceAll(e.name, "-", "_"))), known))
			continue
		}
		text, err := e.text(l.keys[i])
		if err != nil {
			l.spoil(l.keys[i], path, err)
			continue
		}
		l.take(l.keys[i].name, path, text)
	}
}

// text is the value in the form it would have in a variable.
func (e yamlEntry) text(k key) (string, error) {
	var value any
	if err := e.value.Decode(&value); err != nil {
		return "", notYAML(e.value.Line)
	}
	return scalar(k, value)
}

// scalar writes a YAML value the way it would stand in a variable: a list
// becomes a text with commas.
func scalar(k key, value any) (string, error) {
	mend := "write a value of the kind " + k.kind + ", in quotes if need be"
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		if k.kind != "bool" {
			return "", defectf(mend, "it is true or false, but the key takes another kind of value")
		}
		return strconv.FormatBool(v), nil
	case int, int64, uint64, float64:
		if k.kind != "number" && k.kind != "KiB" && k.kind != "duration" {
			return "", defectf(mend, "it is a number, but the key takes another kind of value")
		}
		return fmt.Sprint(v), nil
	case []any:
		if k.kind != "networks" && k.kind != "origins" && k.kind != "rates" && k.kind != "roots" {
			return "", defectf(mend, "it is a list, but the key takes one value")
		}
		return list(v)
	case nil:
		return "", defectf("write a value after the colon, or remove the line", "it has no value")
	case map[string]any, map[any]any:
		return "", defectf("write one value; keys are not nested", "it is a group of keys")
	}
	return "", defectf(mend, "it is neither text, number, true, false nor a list")
}

func list(values []any) (string, error) {
	texts := make([]string, 0, len(values))
	for _, v := range values {
		text, ok := v.(string)
		if !ok || strings.Contains(text, ",") {
			return "", defectf("write each entry of the list as one text, in quotes if need be", "its list contains an entry that is not one text")
		}
		texts = append(texts, text)
	}
	return joinList(texts), nil
}
