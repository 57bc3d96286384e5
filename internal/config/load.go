package config

import (
	"errors"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

// Load reads every key: flag over environment over the file that MINTMARK_…_FILE
// names over the YAML file (--config) over the default. environ is os.Environ();
// stdin is read where a flag's value is `-`. A nil flags or stdin is empty.
//
// The error, if any, is a Problems with everything that is wrong; the Config then only says how to report that.
func Load(flags *pflag.FlagSet, environ []string, stdin io.Reader) (Config, error) {
	if flags == nil {
		flags = pflag.NewFlagSet("", pflag.ContinueOnError)
	}
	if stdin == nil {
		stdin = strings.NewReader("")
	}
	l := loader{
		keys:      keys(),
		values:    make(map[string]string),
		malformed: make(map[string]bool),
		config:    Config{sources: make(map[string]string)},
	}
	l.readYAML(flags)
	l.readEnvironment(environ)
	l.readFlags(flags, stdin)
	l.parse()
	if !l.blind {
		l.problems = append(l.problems, l.config.breaches(l.malformed)...)
	}
	if len(l.problems) > 0 {
		return Config{LogLevel: l.config.LogLevel, LogFormat: l.config.LogFormat}, l.problems
	}
	l.config.Tracing = tracing(environ)
	return l.config, nil
}

// loader gathers values and problems, source by source.
type loader struct {
	keys      []key
	values    map[string]string // by variable, of the nearest source read so far
	config    Config            // its sources grow with values
	malformed map[string]bool   // variables whose value cannot be used
	blind     bool              // a whole source could not be read: rules would guess
	problems  Problems
}

func (l *loader) find(variable string) (key, bool) {
	i := slices.IndexFunc(l.keys, func(k key) bool { return k.name == variable })
	if i < 0 {
		return key{}, false
	}
	return l.keys[i], true
}

func (l *loader) report(variable, source string, err error) {
	p := Problem{Key: variable, Source: source, What: err.Error(), Mend: "correct it"}
	if d, ok := errors.AsType[*defect](err); ok {
		p.What, p.Mend = d.what, d.mend
	}
	l.problems = append(l.problems, p)
}

// take keeps the value that source gives to variable, whatever an earlier source
// said.
func (l *loader) take(variable, source, text string) {
	l.values[variable] = text
	l.config.sources[variable] = source
	delete(l.malformed, variable)
}

// spoil reports a key whose value could not even be read. It counts as given.
func (l *loader) spoil(k key, source string, err error) {
	l.report(k.name, source, err)
	l.malformed[k.name] = true
	l.config.sources[k.name] = source
}

// parse turns texts into the Config. Where a text is malformed the default
// stands in, so that what derives from it can be derived.
func (l *loader) parse() {
	for _, k := range l.keys {
		if k.fallback != "" {
			if err := k.set(&l.config, k.fallback); err != nil {
				l.report(k.name, "default", err)
			}
		}
		text, given := l.values[k.name]
		switch {
		case l.malformed[k.name] && k.secret:
			_ = k.set(&l.config, "unreadable") // already reported; marks a URL as given
		case l.malformed[k.name]:
		case given:
			l.parseKey(k, text)
		}
	}
	l.config.derive()
}

func (l *loader) parseKey(k key, text string) {
	err := wellFormed(text)
	if err == nil {
		err = k.set(&l.config, text)
	}
	if err != nil {
		l.report(k.name, l.config.sources[k.name], err)
		l.malformed[k.name] = true
	}
}

// wellFormed refuses what no value of any key may contain.
func wellFormed(text string) error {
	const longest = 64 << 10
	switch {
	case len(text) > longest:
		return defectf("shorten it", "it is longer than %d bytes", longest)
	case !utf8.ValidString(text):
		return defectf("save it as UTF-8", "it is not valid UTF-8")
	case strings.ContainsFunc(text, unicode.IsControl):
		return defectf("write it on one line", "it contains a line break or another control character")
	}
	return nil
}

// unknown is what is wrong with a name that is no key.
func unknown(word string, known []string) *defect {
	mend := "`mintmark config show` lists the known keys"
	if near, ok := nearest(word, known); ok {
		mend = "the nearest known one is " + near
	}
	return &defect{what: "there is no such key", mend: mend}
}
