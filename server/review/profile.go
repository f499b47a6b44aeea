package review

import (
	"encoding/json"
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
)

// profileFields are the rules of a profile, in the order of the rows.
var profileFields = []string{
	"requires_approval", "enabled", "allowed_dns_names", "allow_wildcard_names", "allowed_ip_ranges", "allowed_uris", "allowed_email_domains",
	"allowed_common_names", "max_sans", "max_ttl_seconds", "allowed_ekus", "key_usages", "allowed_key_algorithms", "subject_attributes",
	"allow_underscores", "csr_extras", "issuer_id",
}

// OfProfile returns a row for each rule of a profile.
func OfProfile(spec api.ProfileSpec) ([]Row, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encode the profile: %w", err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, fmt.Errorf("read the profile: %w", err)
	}
	rows := make([]Row, 0, len(profileFields))
	for _, field := range profileFields {
		values, err := listRuleValues(field, fields[field])
		if err != nil {
			return nil, err
		}
		rows = append(rows, Row{Field: field, Label: LabelOf(field), Now: items(values)})
	}
	return rows, nil
}
