package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/spf13/pflag"
)

// readYAML reads the file that --config names.
func (l *loader) readYAML(flags *pflag.FlagSet) {
	f := flags.Lookup(configFlag)
	if f == nil || !f.Changed {
		return
	}
	path := f.Value.String()
	content, err := readFile(path)
	if err != nil {
		l.blind = true
		l.report("", "flag --"+configFlag, err)
		return
	}
	values, err := yaml.Parser().Unmarshal([]byte(content))
	if err != nil {
		again := l.reportYAML(path, err.Error())
		if values, err = yaml.Parser().Unmarshal([]byte(without(content, again))); err != nil || again == nil {
			l.blind = true
			return
		}
	}
	if secondDocument(content) {
		l.blind = true
		l.report("", path, &defect{"it holds more than one YAML document, and only the first would count", "remove the line --- and what does not belong"})
		return
	}
	l.takeYAML(path, values)
}

func (l *loader) takeYAML(path string, values map[string]any) {
	known := make([]string, 0, len(l.keys))
	for _, k := range l.keys {
		known = append(known, yamlName(k.name))
	}
	texts := make(map[string]string, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		i := slices.Index(known, name)
		if i < 0 {
			l.report(printable(name), path, unknown(yamlName(strings.ToUpper(strings.ReplaceAll(name, "-", "_"))), known))
			continue
		}
		text, err := scalar(l.keys[i], values[name])
		if err != nil {
			l.spoil(l.keys[i], path, err)
			continue
		}
		l.take(l.keys[i].name, path)
		texts[l.keys[i].name] = text
	}
	l.layerTexts(texts)
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
			return "", defectf(mend, "it is true or false, and the key takes another kind")
		}
		return strconv.FormatBool(v), nil
	case int, int64, uint64, float64:
		if k.kind != "number" && k.kind != "KiB" && k.kind != "duration" {
			return "", defectf(mend, "it is a number, and the key takes another kind")
		}
		return fmt.Sprint(v), nil
	case []any:
		if k.kind != "networks" && k.kind != "origins" && k.kind != "rates" && k.kind != "roots" {
			return "", defectf(mend, "it is a list, and the key takes one value")
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
			return "", defectf("write each entry of the list as one text, in quotes if need be", "its list holds something else than texts")
		}
		texts = append(texts, text)
	}
	return joinList(texts), nil
}

var (
	yamlDuplicate = regexp.MustCompile(`line (\d+): mapping key "([^"]*)" already defined at line (\d+)`)
	yamlLine      = regexp.MustCompile(`line (\d+)`)
)

// reportYAML tells what the parser said without the excerpts it quotes: they may
// be secrets. It returns the lines in which a key stands again, if that was all.
func (l *loader) reportYAML(path, message string) map[int]bool {
	duplicates := yamlDuplicate.FindAllStringSubmatch(message, -1)
	again := make(map[int]bool, len(duplicates))
	for _, d := range duplicates {
		line, _ := strconv.Atoi(d[1]) // digits
		if again[line] {
			continue // told already, against the first of several
		}
		again[line] = true
		name := "a key"
		if _, ok := l.find(prefix + strings.ToUpper(d[2])); ok {
			name = d[2]
		}
		l.report("", path, &defect{fmt.Sprintf("%s stands in line %s and again in line %s", name, d[3], d[1]), "remove one of them"})
	}
	if len(duplicates) > 0 {
		return again
	}
	where := ""
	if line := yamlLine.FindStringSubmatch(message); line != nil {
		where = " near line " + line[1]
	}
	l.report("", path, &defect{"it is not a YAML file of lines `key: value`" + where, "correct the file; texts with special characters stand in quotes"})
	return nil
}

// without blanks the entries that begin in these lines, so that the rest of the file
// can be read. An entry goes on for as long as lines are indented or a list.
func without(content string, begins map[int]bool) string {
	var kept strings.Builder
	number, dropping := 0, false
	for line := range strings.Lines(content) {
		number++
		goesOn := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "- ") || strings.TrimSpace(line) == ""
		if dropping = begins[number] || dropping && goesOn; dropping {
			line = "\n"
		}
		kept.WriteString(line)
	}
	return kept.String()
}

// secondDocument reports whether a line --- follows some content. In the first
// column it can be nothing else than the mark between documents.
func secondDocument(content string) bool {
	begun := false
	for line := range strings.Lines(content) {
		line = strings.TrimRight(line, "\r\n")
		mark := line == "---" || strings.HasPrefix(line, "--- ")
		switch {
		case mark && begun:
			return true
		case mark, line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "%"):
			begun = true
		}
	}
	return false
}
