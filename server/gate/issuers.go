package gate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// generation is one certificate of an issuer. The highest one is in use.
type generation struct {
	Generation        int
	FingerprintSHA256 string `gorm:"column:fingerprint_sha256"`
}

func findGeneration(tx *store.Tx, issuerID string) (generation, bool, error) {
	var g generation
	found, err := tx.Find(&g, "SELECT generation, fingerprint_sha256 FROM issuers WHERE id = ? ORDER BY generation DESC LIMIT 1", issuerID)
	if err != nil {
		err = fmt.Errorf("look up issuer %s: %w", issuerID, err)
	}
	return g, found, err
}

func addGeneration(tx *store.Tx, who identity.Actor, issuerID string, before generation, fingerprint string) error {
	added := before.Generation + 1
	err := tx.DB.Exec("INSERT INTO issuers (id, generation, fingerprint_sha256, created_at) VALUES (?, ?, ?, ?)",
		issuerID, added, fingerprint, tx.Now).Error
	if err != nil {
		return fmt.Errorf("store the certificate of issuer %s: %w", issuerID, err)
	}
	action, details := "issuer_added", audit.Details{"generation": added, "fingerprint_sha256": fingerprint}
	if before.Generation > 0 {
		action, details["before"] = "issuer_replaced", before.FingerprintSHA256
	}
	return audit.Append(tx, audit.Event{Actor: who, Action: action, ResourceType: "issuer", ResourceID: issuerID, Details: details})
}

// RegisterIssuers stores the certificate of each issuer that the database does not know yet. If the database knows another
// certificate, it returns an error: such a server would make every waiting request stale.
func RegisterIssuers(ctx context.Context, db *store.Store, issuers map[string]Issuer) error {
	err := CheckIssuers(ctx, db, issuers)
	if !errors.Is(err, errUnknownIssuer) {
		return err
	}
	return db.Write(ctx, func(tx *store.Tx) error {
		for _, id := range slices.Sorted(maps.Keys(issuers)) {
			_, err := checkIssuer(tx, id, issuers[id])
			if errors.Is(err, errUnknownIssuer) {
				err = addGeneration(tx, identity.Issuer, id, generation{}, issuers[id].Fingerprint())
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// CheckIssuers returns an error if the database does not know an issuer, or knows another certificate of it.
func CheckIssuers(ctx context.Context, db *store.Store, issuers map[string]Issuer) error {
	return db.Read(ctx, func(tx *store.Tx) error {
		for _, id := range slices.Sorted(maps.Keys(issuers)) {
			if _, err := checkIssuer(tx, id, issuers[id]); err != nil {
				return err
			}
		}
		return nil
	})
}

var errUnknownIssuer = errors.New("the database does not know the issuer")

// checkIssuer returns the number of the issuer's current generation, or an error if this server has another one.
func checkIssuer(tx *store.Tx, id string, issuer Issuer) (int, error) {
	known, found, err := findGeneration(tx, id)
	switch {
	case err != nil:
		return 0, err
	case !found:
		return 0, fmt.Errorf("%w %s", errUnknownIssuer, id)
	case known.FingerprintSHA256 != issuer.Fingerprint():
		return 0, store.NotReady("the database knows issuer %s by the certificate with the SHA-256 %s, and this server has the one with %s: "+
			"give the server the certificate and key that the others have, or run certctl ca replace to change the CA of all servers",
			id, known.FingerprintSHA256, issuer.Fingerprint())
	}
	return known.Generation, nil
}

// requireCurrentIssuer returns the issuer's current generation. If the issuer was replaced while this server ran, it
// returns an UnavailableError: the requests of this server would be stale.
func (g *Gate) requireCurrentIssuer(tx *store.Tx, issuerID string) (int, error) {
	issuer, err := g.findIssuer(issuerID)
	if err != nil {
		return 0, err
	}
	return checkIssuer(tx, issuerID, issuer)
}

// Replacement is the result of ReplaceIssuer.
type Replacement struct {
	Before string    // the fingerprint of the certificate before; empty if there was none
	Stale  []job.Job // open jobs for the certificate before, oldest first: the gate refuses them
}

// ReplaceIssuer makes the certificate with this fingerprint the issuer's newest generation. If it already is, nothing
// changes.
func ReplaceIssuer(tx *store.Tx, issuerID, fingerprint string) (Replacement, error) {
	before, found, err := findGeneration(tx, issuerID)
	r := Replacement{Before: before.FingerprintSHA256}
	if err != nil || found && before.FingerprintSHA256 == fingerprint {
		return r, err
	}
	if err := addGeneration(tx, identity.CLI, issuerID, before, fingerprint); err != nil {
		return r, err
	}
	if !found {
		return r, nil
	}
	err = tx.DB.Raw(`SELECT * FROM jobs WHERE status IN ('AwaitingApproval', 'Pending', 'Running') AND subject LIKE ? ORDER BY created_at, id`,
		`%"issuer_fingerprint_sha256":"`+before.FingerprintSHA256+`"%`).Scan(&r.Stale).Error
	if err != nil {
		err = fmt.Errorf("find the requests for the certificate before: %w", err)
	}
	return r, err
}
