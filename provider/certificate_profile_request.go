package provider

import "github.com/certctl/terraform-provider-certctl/api"

// create returns the body of a POST. If the id is empty, the server makes one.
func (m certificateProfileModel) create() api.CreateProfile {
	return api.CreateProfile{ID: m.ID.ValueString(), ProfileSpec: m.spec()}
}

// spec returns the fields that a caller writes.
func (m certificateProfileModel) spec() api.ProfileSpec {
	return api.ProfileSpec{
		Name:                 m.Name,
		Description:          m.Description,
		Enabled:              m.Enabled,
		RequiresApproval:     m.RequiresApproval,
		IssuerID:             m.IssuerID,
		AllowedKeyAlgorithms: keyAlgorithms(m.AllowedKeyAlgorithms),
		AllowedEKUs:          m.AllowedEKUs,
		AllowedDNSNames:      m.AllowedDNSNames,
		AllowWildcardNames:   m.AllowWildcardNames,
		AllowedIPRanges:      m.AllowedIPRanges,
		AllowedURIs:          m.AllowedURIs,
		AllowedEmailDomains:  m.AllowedEmailDomains,
		MaxSANs:              m.MaxSANs,
		MaxTTLSeconds:        m.MaxTTLSeconds,
		Labels:               m.Labels,
	}
}

func keyAlgorithms(models []keyAlgorithmModel) []api.KeyAlgorithm {
	out := make([]api.KeyAlgorithm, len(models))
	for i, m := range models {
		out[i].Algorithm = m.Algorithm
		if m.MinSize != nil {
			out[i].MinSize = *m.MinSize
		}
	}
	return out
}
