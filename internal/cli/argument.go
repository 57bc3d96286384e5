package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

// secretArgument reads an argument that may be a secret: `-` stands for standard
// input and `@FILE` for a file, so that no shell remembers it. Errors never quote it.
func (s *shell) secretArgument(ctx context.Context, word string) (string, error) {
	text, place, err := s.secretText(ctx, word)
	if err != nil {
		return "", err
	}
	return argumentIn(text, place)
}

// secretText reads such an argument as it stands, and says where it stood.
func (s *shell) secretText(ctx context.Context, word string) (text, place string, err error) {
	name, isFile := strings.CutPrefix(word, "@")
	switch {
	case word == "-":
		text, err := await(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(s.stdin, maxInput+1)) })
		if err != nil {
			return "", "", fmt.Errorf("read standard input: %w", err)
		}
		return string(text), "standard input", nil
	case isFile:
		f, err := os.Open(name)
		if err != nil {
			return "", "", usagef("%v; give a file that this user can read, behind the @", err)
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, maxInput+1))
		if err != nil {
			return "", "", fmt.Errorf("read %s: %w", name, err)
		}
		return string(text), name, nil
	}
	return word, "the argument", nil
}

// argumentIn takes an argument that stands alone in a text.
func argumentIn(text, place string) (string, error) {
	argument := strings.TrimSpace(text)
	switch {
	case argument == "":
		return "", usagef("%s is empty; write what is asked for there", place)
	case len(text) > maxInput, strings.ContainsAny(argument, "\r\n"):
		return "", usagef("%s holds more than one line; write what is asked for and nothing else", place)
	}
	return argument, nil
}
