package api

// Health is what a server that works answers to a probe.
type Health struct {
	Status        string `json:"status" doc:"State of the server."`
	ServerVersion string `json:"server_version"`
}
