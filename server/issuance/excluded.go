package issuance

import (
	"slices"

	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// excluded are the people who stand behind a request and may not decide it: of a human, himself; of a service, its
// owner and everyone accountable for a change of what would be signed since it was last signed. A service asks for
// whatever stands there, so without them one person could write the names and approve them.
func excluded(tx *store.Tx, who identity.Actor, p gate.Proposal) ([]string, error) {
	people := []string{who.Accountable()}
	if who.Kind == identity.Human {
		return people, nil
	}
	signed, err := gate.LastSigned(tx, p.Certificate)
	if err != nil {
		return nil, err
	}
	ofCertificate, err := certificate.Changers(tx, p.Certificate.UID, signed.CertificateVersion)
	if err != nil {
		return nil, err
	}
	ofProfile, err := profile.Changers(tx, p.ProfileID, signed.ProfileVersion)
	if err != nil {
		return nil, err
	}
	people = slices.Concat(people, ofCertificate, ofProfile)
	slices.Sort(people)
	return slices.Compact(people), nil
}
