package config

import (
	"io"
	"strings"

	"github.com/spf13/pflag"
)

const configFlag = "config"

// RegisterFlags adds --config and one flag for every key.
func RegisterFlags(flags *pflag.FlagSet) {
	flags.String(configFlag, "", "read settings from this YAML `file`")
	for _, k := range keys() {
		usage := k.help
		switch {
		case k.secret && k.kind == "url":
			usage += "; as @file or - (standard input) if it contains a password"
		case k.secret:
			usage += "; as @file or - (standard input) only"
		}
		if k.derived != "" {
			usage += " (default " + strings.ReplaceAll(k.derived, "`", "") + ")"
		}
		f := flags.VarPF(&flagText{text: k.fallback, kind: k.kind}, flagName(k.name), "", usage)
		if k.kind == "bool" {
			f.NoOptDefVal = "true"
		}
	}
}

// flagText takes any text: Load parses it, so that every problem is reported at
// once and in the same words as those of the other sources.
type flagText struct{ text, kind string }

func (f *flagText) String() string { return f.text }
func (f *flagText) Type() string   { return f.kind }
func (f *flagText) Set(text string) error {
	f.text = text
	return nil
}

func (l *loader) readFlags(flags *pflag.FlagSet, stdin io.Reader) {
	byFlag := make(map[string]key, len(l.keys))
	for _, k := range l.keys {
		byFlag[flagName(k.name)] = k
	}
	input := stdinOnce{reader: stdin}
	flags.VisitAll(func(f *pflag.Flag) {
		k, ok := byFlag[f.Name]
		if !ok || !f.Changed {
			return
		}
		source := "flag --" + f.Name
		text, exposed, err := flagValue(k, f.Value.String(), &input)
		if err != nil {
			l.spoil(k, source, err)
			return
		}
		l.warnExposed(k, source, text, exposed)
		l.take(k.name, source, text)
	})
}

// flagValue gives what a flag says. Everybody on the machine can read command
// lines, so a secret is taken from a file or standard input only.
func flagValue(k key, text string, input *stdinOnce) (value string, exposed *defect, err error) {
	switch file, isFile := strings.CutPrefix(text, "@"); {
	case !k.secret:
		return text, nil, nil
	case isFile:
		return readValue(file)
	case text == "-":
		value, err = input.read()
		return value, nil, err
	case text == "", !k.holdsSecret(text):
		return text, nil, nil
	}
	return "", nil, defectf("write --"+flagName(k.name)+" @file or -, or set "+k.name+" or "+k.name+fileSuffix,
		"a secret on the command line is visible to every user of the machine")
}

// stdinOnce refuses to give standard input to two flags.
type stdinOnce struct {
	reader io.Reader
	used   bool
}

func (s *stdinOnce) read() (string, error) {
	if s.used {
		return "", &defect{"standard input is already the value of another flag", "pass one of them as @file"}
	}
	s.used = true
	text, err := readBounded(s.reader)
	if err != nil {
		return "", defectf("pass the value as @file", "standard input cannot be read: %v", err)
	}
	return oneValue(text, "standard input")
}
