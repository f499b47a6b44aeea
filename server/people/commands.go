package people

// Commands are the commands of people. Each speaks HTTP.
type Commands struct {
	Login  LoginCommand  `cmd:"" group:"people" help:"Sign in: check an API key and store it. The key comes from the terminal without an echo, or from standard input."`
	Logout LogoutCommand `cmd:"" group:"people" help:"Remove the stored API key of a server."`
	Whoami WhoamiCommand `cmd:"" group:"people" help:"Print who you are, at which server, and where the key comes from."`

	Approvals    ApprovalsCommand    `cmd:"" group:"people" help:"List, read and decide requests."`
	Certificates CertificatesCommand `cmd:"" group:"people" help:"List, read and renew certificates."`
}

// Group is the key of the group of these commands.
const Group = "people"
