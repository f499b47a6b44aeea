package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
)

// newCertificateProfileModel returns the state of a stored profile.
func newCertificateProfileModel(p api.Profile) certificateProfileModel {
	return certificateProfileModel{
		ID:                   types.StringValue(p.ID),
		Name:                 p.Name,
		Description:          p.Description,
		Enabled:              p.Enabled,
		RequiresApproval:     p.RequiresApproval,
		IssuerID:             p.IssuerID,
		AllowedKeyAlgorithms: keyAlgorithmModels(p.AllowedKeyAlgorithms),
		AllowedEKUs:          p.AllowedEKUs,
		AllowedDNSNames:      p.AllowedDNSNames,
		AllowWildcardNames:   p.AllowWildcardNames,
		AllowedIPRanges:      p.AllowedIPRanges,
		AllowedURIs:          p.AllowedURIs,
		AllowedEmailDomains:  p.AllowedEmailDomains,
		MaxSANs:              p.MaxSANs,
		MaxTTLSeconds:        p.MaxTTLSeconds,
		SubjectAttributes:    newSubjectAttributesModel(p.SubjectAttributes),
		AllowedCommonNames:   p.AllowedCommonNames,
		KeyUsages:            p.KeyUsages,
		AllowUnderscores:     p.AllowUnderscores,
		CSRExtras:            string(p.CSRExtras),
		Labels:               p.Labels,
		CreatedAt:            newTimestamp(p.CreatedAt),
	}
}

func newSubjectAttributesModel(attributes api.SubjectAttributes) subjectAttributesModel {
	m := subjectAttributesModel(attributes)
	for _, set := range m.sets() {
		if *set == nil {
			*set = []string{}
		}
	}
	return m
}

func keyAlgorithmModels(algorithms []api.KeyAlgorithm) []keyAlgorithmModel {
	out := make([]keyAlgorithmModel, len(algorithms))
	for i, a := range algorithms {
		out[i].Algorithm = a.Algorithm
		if a.MinSize != 0 {
			out[i].MinSize = &a.MinSize
		}
	}
	return out
}
