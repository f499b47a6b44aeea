package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// installProvider writes the provider to a mirror that Terraform uses instead of a registry.
func (s *stage) installProvider(provider string) error {
	binary, err := filepath.Abs(provider)
	if err != nil {
		return err
	}
	mirror := filepath.Join(s.dir, "mirror")
	rc := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror)
	if err := os.WriteFile(s.terraformRC(), []byte(rc), 0o600); err != nil {
		return err
	}
	for _, host := range []string{"registry.terraform.io", "registry.opentofu.org"} {
		dir := filepath.Join(mirror, host, "certctl", "certctl", "0.1.0", runtime.GOOS+"_"+runtime.GOARCH)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.Symlink(binary, filepath.Join(dir, "terraform-provider-certctl_v0.1.0")); err != nil {
			return err
		}
	}
	return nil
}

// config writes a file of the Terraform configuration and shows it.
func (s *stage) config(name, text string) error {
	lines := strings.Split(strings.Trim(text, "\n\t"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "\t\t")
	}
	text = strings.Join(lines, "\n") + "\n"
	s.command("cat %s", name)
	s.say("%s", text)
	return os.WriteFile(filepath.Join(s.terraformDir(), name), []byte(text), 0o600)
}

// edit replaces texts in a file of the Terraform configuration, each by the one after it.
func (s *stage) edit(name string, oldnew ...string) error {
	path := filepath.Join(s.terraformDir(), name)
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := string(content)
	for pair := range slices.Chunk(oldnew, 2) {
		if strings.Count(text, pair[0]) != 1 {
			return fmt.Errorf("expected: %q once in %s", pair[0], name)
		}
		s.command("sed -i 's/%s/%s/' %s", pair[0], pair[1], name)
		text = strings.Replace(text, pair[0], pair[1], 1)
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// chatter matches the start of paragraphs that Terraform and OpenTofu print every time.
var chatter = regexp.MustCompile(`^(\w+ has been successfully initialized!$|\w+ used the selected providers|\w+ will perform the following|You can apply this plan|` +
	`Due to your customized|Warning: Incomplete lock file|The current .terraform.lock.hcl|To calculate additional|` +
	`You may now begin working|If you ever set|─|Note: You didn't use|` +
	`The \.terraform\.lock\.hcl|Signature validation was skipped|Providers are signed|This means that)`)

var lockFile = regexp.MustCompile(`(?s)\w+ has created a lock file.*?in the future\.`)

// terraform runs a command as the service, checks the exit code and shows the output.
func (s *stage) terraform(ctx context.Context, code int, args ...string) (string, error) {
	s.command("%s %s", s.terraformName(), strings.Join(args, " "))
	text, err := s.runTerraform(ctx, code, args...)
	if err != nil {
		return "", err
	}
	var telling []string
	for _, paragraph := range strings.Split(lockFile.ReplaceAllString(text, ""), "\n\n") {
		if paragraph = strings.Trim(paragraph, "\n"); paragraph != "" && !chatter.MatchString(paragraph) {
			telling = append(telling, paragraph)
		}
	}
	s.say("%s", strings.Join(telling, "\n"))
	if code != 0 || slices.Contains(args, "-detailed-exitcode") {
		s.say("(exit code %d)", code)
	}
	return text, nil
}

// terraformGrep is terraform, but shows only the lines with that word.
func (s *stage) terraformGrep(ctx context.Context, word string, code int, args ...string) (string, error) {
	command := s.terraformName() + " " + strings.Join(args, " ")
	if code != 0 {
		command += " 2>&1"
	}
	s.command("%s | grep '%s'", command, word)
	text, err := s.runTerraform(ctx, code, args...)
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			s.say("%s", line)
		}
	}
	return text, err
}

func (s *stage) terraformName() string { return filepath.Base(s.terraformPath) }

func (s *stage) runTerraform(ctx context.Context, code int, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.terraformPath, slices.Insert(slices.Clone(args), 1, "-no-color")...)
	cmd.Dir = s.terraformDir()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that Terraform stops its plugins
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = environ(
		"CERTCTL_ENDPOINT="+s.url, "CERTCTL_API_KEY="+s.keys["terraform"],
		"TF_CLI_CONFIG_FILE="+s.terraformRC(), "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1",
	)
	out, err := cmd.CombinedOutput()
	text := string(out)
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		return "", err
	} else if got := exitCode(exit); got != code {
		s.say("%s", text)
		return "", fmt.Errorf("%s %s: expected: exit code %d, got %d", s.terraformName(), args[0], code, got)
	}
	return text, nil
}

func exitCode(exit *exec.ExitError) int {
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}
