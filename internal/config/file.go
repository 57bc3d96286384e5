package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
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

func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fileDefect(path, err)
	}
	defer func() { _ = f.Close() }() // only read
	text, err := readBounded(f)
	if err != nil {
		return "", fileDefect(path, err)
	}
	return text, nil
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

// readValue reads a file that holds one value.
func readValue(path string) (string, error) {
	text, err := readFile(path)
	if err != nil {
		return "", err
	}
	return oneValue(text, "the file")
}

// oneValue drops the line end that editors and echo put after a value.
func oneValue(text, what string) (string, error) {
	text = strings.TrimRight(text, "\r\n")
	if text == "" {
		return "", defectf("write the value into it", "%s is empty", what)
	}
	return text, nil
}
