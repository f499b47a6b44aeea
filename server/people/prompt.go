package people

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// canAsk reports whether somebody can read a question and answer it. Questions go to standard error: standard output may be
// a file.
func canAsk() bool {
	return term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd()))
}

// confirm asks a question. If the answer is not yes, confirm returns a failure that says what was not done.
func confirm(ctx context.Context, question, undone string) error {
	answer, err := ask(ctx, question+" [y/N] ", undone)
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return fail(ExitFailed, "", "%s", undone)
}

// ask returns the line that answers a question; the question is visible already. An interrupt ends it, and so does the end
// of the input, also in the middle of a line.
func ask(ctx context.Context, question, undone string) (string, error) {
	fmt.Fprint(os.Stderr, question)
	answer, err := await(ctx, undone, func() (string, error) {
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		return strings.TrimRight(line, "\r\n"), err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr) // the answer did not end the line
	}
	return answer, err
}

// askSecret is ask without an echo. The echo ends before the question is shown: a fast writer shows nothing.
func askSecret(ctx context.Context, question, undone string) (string, error) {
	input := int(os.Stdin.Fd())
	before, err := term.MakeRaw(input)
	if err != nil {
		return "", fmt.Errorf("turn the echo of the terminal off: %w", err)
	}
	line := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{os.Stdin, os.Stderr}, "")
	secret, err := await(ctx, undone, func() (string, error) { return line.ReadPassword(question) })
	if err := term.Restore(input, before); err != nil {
		return "", fmt.Errorf("turn the echo of the terminal on: %w", err)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr) // the answer did not end the line
	}
	return secret, err
}

// await returns what read returns, unless the context ends first. Then read stays behind: the process ends.
func await(ctx context.Context, undone string, read func() (string, error)) (string, error) {
	type result struct {
		line string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		line, err := read()
		done <- result{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", fail(ExitFailed, "", "%s", undone)
	case r := <-done:
		if errors.Is(r.err, io.EOF) {
			return "", fail(ExitFailed, "", "%s", undone)
		}
		if r.err != nil {
			return "", fmt.Errorf("read the answer: %w", r.err)
		}
		return r.line, nil
	}
}
