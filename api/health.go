package api

// Health is what a server that works answers to a probe.
type Health struct {
	Status        string `json:"status"`
	ServerVersion string `json:"server_version"`
}
