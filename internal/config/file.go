package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/mintmark-auth/mintmark/internal/private"
	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

// maxFile bounds every file the configuration is read from.
const maxFile = 1 << 20

// readBounded reads at most maxFile bytes; more is an error.
func readBounded(r io.Reader) (string, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = errors.New("it is larger than 1 MiB")
	}
	return string(content), err
}

// readFile reads a file and says whether others can read it, too. It refuses one that others could have written.
func readFile(path string) (text string, exposed *defect, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", nil, fileDefect(path, err)
	}
	defer func() { _ = f.Close() }() // only read
	found, err := private.CheckNamed(f)
	if refused, ok := errors.AsType[*private.Refusal](err); ok {
		return "", nil, &defect{quote(refused.Path) + ": " + refused.What, refused.Mend}
	}
	if err != nil {
		return "", nil, fileDefect(path, err)
	}
	if found != nil {
		exposed = &defect{quote(found.Path) + ": " + found.What, found.Mend}
	}
	text, err = readBounded(f)
	if err != nil {
		return "", nil, fileDefect(path, err)
	}
	return text, exposed, nil
}

// fileDefect says what is wrong with a file. The path is printed as a path only where it looks
// like one: it may be the secret itself, set by mistake.
func fileDefect(path string, err error) error {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err
	}
	if !strings.ContainsAny(path, `/\.`) || strings.ContainsAny(path, ":@=\n") {
		return defectf("name an existing file that this user may read", "the file it names cannot be read: %v", err)
	}
	return defectf("name an existing file that this user may read", "the file %s cannot be read: %v", quote(path), err)
}

// readValue reads a file that holds one value, like readFile.
func readValue(path string) (text string, exposed *defect, err error) {
	text, exposed, err = readFile(path)
	if err != nil {
		return "", nil, err
	}
	text, err = oneValue(text, "the file")
	return text, exposed, err
}

// oneValue drops the line end that editors and echo put after a value.
func oneValue(text, what string) (string, error) {
	text = strings.TrimRight(text, "\r\n")
	switch {
	case text == "":
		return "", defectf("write the value into it", "%s is empty", what)
	case strings.HasPrefix(text, "\ufeff"):
		return "", defectf("save it as UTF-8 without a byte order mark (BOM)", "%s begins with a byte order mark (BOM)", what)
	case strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		return "", defectf("save it as UTF-8 without a byte order mark (BOM)", "%s is UTF-16, and begins with a byte order mark (BOM)", what)
	}
	return text, nil
}

// holdsSecret reports whether the value of a key is to be kept from others.
func (k key) holdsSecret(text string) bool {
	if k.secret && k.kind == "url" {
		return strings.Contains(storeurl.Masked(text), storeurl.Stars)
	}
	return k.secret
}

// warnExposed notes that others can read the file that a secret came from.
func (l *loader) warnExposed(k key, source, text string, exposed *defect) {
	if exposed != nil && k.holdsSecret(text) {
		l.config.warnings = append(l.config.warnings, Problem{Key: k.name, Source: source, What: exposed.what, Mend: exposed.mend})
	}
}
