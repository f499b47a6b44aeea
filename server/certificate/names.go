package certificate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// name is a row of certificate_names.
type name struct {
	CertificateUID string `gorm:"column:certificate_uid"`
	Name           string
	Parent         string
}

// TableName implements gorm's Tabler.
func (name) TableName() string { return "certificate_names" }

// storeNames replaces the names by which FindOthers finds a certificate.
func storeNames(tx *store.Tx, uid string, content api.CertificateContent) error {
	if err := tx.DB.Exec("DELETE FROM certificate_names WHERE certificate_uid = ?", uid).Error; err != nil {
		return fmt.Errorf("remove the old names: %w", err)
	}
	names := rules.ListNames(content)
	rows := make([]name, len(names))
	for i, text := range names {
		rows[i] = name{uid, text, parentOf(text)}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := tx.DB.Create(&rows).Error; err != nil {
		return fmt.Errorf("store the names: %w", err)
	}
	return nil
}

// parentOf returns the part of a DNS name after its first label; empty for every other name.
func parentOf(text string) string {
	n, err := rules.ParseName(text)
	if err != nil || n.Kind() != rules.DNS {
		return ""
	}
	_, rest, _ := strings.Cut(text, ".")
	return rest
}

// othersQuery chooses the live certificates that have one of the names, a name that a wildcard covers, or the key.
const othersQuery = `FROM certificates c JOIN profiles p ON p.id = c.profile_id WHERE c.archived_at IS NULL AND c.uid <> @uid AND c.uid IN (
	SELECT uid FROM certificates WHERE spki_sha256 = @key
	UNION SELECT certificate_uid FROM certificate_names WHERE name IN @names
	UNION SELECT certificate_uid FROM certificate_names WHERE parent <> '' AND parent IN @parents)`

const maxOthers = 10

// FindOthers returns the live certificates that share a name or the key with a certificate, at most ten ids. A wildcard
// shares every name that it covers.
func FindOthers(tx *store.Tx, uid string, content api.CertificateContent) (api.OtherCertificates, error) {
	names, parents := expandNames(rules.ListNames(content))
	args := map[string]any{"uid": uid, "key": content.Key.SPKISHA256, "names": names, "parents": parents, "limit": maxOthers}
	others := api.OtherCertificates{IDs: []string{}}
	if err := tx.DB.Raw("SELECT count(*) "+othersQuery, args).Scan(&others.Count).Error; err != nil {
		return others, fmt.Errorf("count the certificates of the same names: %w", err)
	}
	if others.Count == 0 {
		return others, nil
	}
	err := tx.DB.Raw("SELECT c.id "+othersQuery+" ORDER BY p.requires_approval DESC, c.created_at, c.uid LIMIT @limit", args).Scan(&others.IDs).Error
	if err != nil {
		err = fmt.Errorf("look up the certificates of the same names: %w", err)
	}
	return others, err
}

// AddWildcards returns the names, and the wildcards that cover them, sorted.
func AddWildcards(names []string) []string {
	expanded, _ := expandNames(names)
	slices.Sort(expanded)
	return slices.Compact(expanded)
}

// expandNames returns the names to look for: each name, and the wildcard that covers it. It also returns the parents of
// the names that a wildcard among them covers.
func expandNames(names []string) (expanded, parents []string) {
	parents = []string{""} // an empty list is no valid SQL
	for _, text := range names {
		expanded = append(expanded, text)
		switch p := parentOf(text); {
		case p == "":
		case strings.HasPrefix(text, "*."):
			parents = append(parents, p)
		default:
			expanded = append(expanded, "*."+p)
		}
	}
	return expanded, parents
}
