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
		SubjectAttributes:    m.SubjectAttributes.attributes(),
		AllowedCommonNames:   m.AllowedCommonNames,
		KeyUsages:            m.KeyUsages,
		AllowUnderscores:     m.AllowUnderscores,
		CSRExtras:            api.CSRExtras(m.CSRExtras),
		Labels:               m.Labels,
	}
}

// attributes leaves out an empty set, because the server would store it as it was sent.
func (m subjectAttributesModel) attributes() api.SubjectAttributes {
	for _, set := range m.sets() {
		if len(*set) == 0 {
			*set = nil
		}
	}
	return api.SubjectAttributes(m)
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
