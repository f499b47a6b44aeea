package commands

import (
	"fmt"
	"os"
	"strings"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help implements kong.HelpProvider.
func (completionCommand) Help() string {
	return `bash: add  source <(certctl completion bash)  to ~/.bashrc.

zsh: add  source <(certctl completion zsh)  to ~/.zshrc.

fish: add  certctl completion fish | source  to ~/.config/fish/config.fish.`
}

// completionScripts make a shell call the program, which then finds the line in COMP_LINE. The program answers without the
// database and without a server.
var completionScripts = map[string]string{
	"bash": `complete -o default -o bashdefault -C PROGRAM certctl`,
	"zsh": `autoload -U +X bashcompinit && bashcompinit
complete -o default -o bashdefault -C PROGRAM certctl`,
	"fish": `function __complete_certctl
    set -lx COMP_LINE (commandline -cp)
    test -z (commandline -ct)
    and set COMP_LINE "$COMP_LINE "
    PROGRAM
end
complete -f -c certctl -a "(__complete_certctl)"`,
}

// Run implements the command.
func (c *completionCommand) Run() error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	_, err = fmt.Println(strings.ReplaceAll(completionScripts[c.Shell], "PROGRAM", quoteForShell(program)))
	return err
}

// quoteForShell returns one word of any of the shells.
func quoteForShell(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
