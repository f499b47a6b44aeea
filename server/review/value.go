package review

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// labels name the fields of subjects and rules for people.
var labels = map[string]string{
	"common_name":               "Common name",
	"sans":                      "Names",
	"key":                       "Key",
	"issuer_id":                 "Issuer",
	"issuer_fingerprint_sha256": "Issuer's certificate (SHA-256)",
	"profile_id":                "Profile",
	"certificate_id":            "Certificate",
	"validity_seconds":          "Valid for",
	"extended_key_usages":       "Extended key usages",
	"key_usages":                "Key usages",
	"subject_attributes":        "Subject attributes",
	"name":                      "Name",
	"enabled":                   "Enabled",
	"requires_approval":         "Requires approval",
	"allowed_key_algorithms":    "Allowed key algorithms",
	"allowed_ekus":              "Allowed extended key usages",
	"allowed_dns_names":         "Allowed DNS names",
	"allow_wildcard_names":      "Allow wildcard names",
	"allowed_ip_ranges":         "Allowed IP ranges",
	"allowed_uris":              "Allowed URIs",
	"allowed_email_domains":     "Allowed e-mail domains",
	"max_sans":                  "Most names in a certificate",
	"max_ttl_seconds":           "Longest lifetime",
	"allowed_common_names":      "Allowed common names",
	"allow_underscores":         "Allow underscores",
	"csr_extras":                "Parts of a CSR that are not signed",
}

// LabelOf names a field of a subject or of the rules for people.
func LabelOf(field string) string {
	if label, known := labels[field]; known {
		return label
	}
	return field
}

// listValues returns the values of a JSON field as texts: one for each element of a set, none for null and the empty text.
func listValues(field string, raw json.RawMessage) ([]string, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, fmt.Errorf("read the field %s: %w", field, err)
	}
	if seconds, isNumber := value.(float64); isNumber && strings.HasSuffix(field, "_seconds") {
		return []string{formatDuration(int64(seconds))}, nil
	}
	return flatten(value), nil
}

// listRuleValues is listValues for a rule of a profile.
func listRuleValues(field string, raw json.RawMessage) ([]string, error) {
	if field == "key_usages" && isNull(raw) {
		return []string{"those of the key's algorithm"}, nil
	}
	return listValues(field, raw)
}

func flatten(value any) []string {
	switch v := value.(type) {
	case nil:
		return nil
	case string:
		if v == "" {
			return nil
		}
		return []string{v}
	case bool:
		if v {
			return []string{"yes"}
		}
		return []string{"no"}
	case float64:
		return []string{fmt.Sprintf("%.0f", v)}
	case []any:
		var all []string
		for _, element := range v {
			all = append(all, strings.Join(flatten(element), ", "))
		}
		return all
	case map[string]any:
		var all []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			for _, text := range flatten(v[key]) {
				all = append(all, strings.ReplaceAll(key, "_", " ")+" "+text)
			}
		}
		return all
	default:
		return []string{fmt.Sprint(v)}
	}
}

// formatDuration returns whole seconds in the largest unit that divides them: "90 days", "36 hours".
func formatDuration(seconds int64) string {
	for _, unit := range []struct {
		seconds int64
		noun    string
	}{{24 * 3600, "day"}, {3600, "hour"}, {60, "minute"}} {
		if seconds != 0 && seconds%unit.seconds == 0 {
			return Count(int(seconds/unit.seconds), unit.noun)
		}
	}
	return (time.Duration(seconds) * time.Second).String()
}

func items(texts []string) []Item {
	list := make([]Item, len(texts))
	for i, text := range texts {
		list[i].Text = text
	}
	return list
}
