package commands

import "fmt"

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help implements kong.HelpProvider.
func (completionCommand) Help() string {
	return `bash: add  source <(certctl completion bash)  to ~/.bashrc.

zsh: add  source <(certctl completion zsh)  to ~/.zshrc, below compinit.

fish: add  certctl completion fish | source  to ~/.config/fish/config.fish.`
}

// completionScripts make a shell call certctl, which then finds the line in COMP_LINE. It answers without the database and
// without a server. The scripts are the same on every machine, so a package can install them.
var completionScripts = map[string]string{
	"bash": `complete -o default -o bashdefault -C certctl certctl`,
	"zsh": `autoload -U +X bashcompinit && bashcompinit
complete -o default -o bashdefault -C certctl certctl`,
	"fish": `function __complete_certctl
    set -lx COMP_LINE (commandline -cp)
    test -z (commandline -ct)
    and set COMP_LINE "$COMP_LINE "
    certctl
end
complete -f -c certctl -a "(__complete_certctl)"`,
}

// Run implements the command.
func (c *completionCommand) Run() error {
	_, err := fmt.Println(completionScripts[c.Shell])
	return err
}
