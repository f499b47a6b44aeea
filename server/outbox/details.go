package outbox

import "time"

// ExpiringLeaf are the details of a message CertificateExpiring. Names are as they are stored.
type ExpiringLeaf struct {
	CertificateID string    `json:"certificate_id"`
	ProfileID     string    `json:"profile_id"`
	SerialNumber  string    `json:"serial_number"`
	NotAfter      time.Time `json:"not_after"`
	Horizon       string    `json:"horizon"` // 30d, 7d, 1d or 1/6 of the lifetime
	Names         []string  `json:"names"`
	NameCount     int       `json:"name_count"`
}

// BlockedRenewal are the details of a message RenewalBlocked.
type BlockedRenewal struct {
	CertificateID string     `json:"certificate_id"`
	ProfileID     string     `json:"profile_id"`
	Reason        string     `json:"reason"`
	NotAfter      *time.Time `json:"not_after"` // of the current leaf
}
