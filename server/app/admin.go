package app

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Admin changes principals, and cancels the open requests that such a change ends. Commands use it without a server.
type Admin struct{ approvals *approval.Service }

// NewAdmin makes an Admin for a database. The Admin can cancel requests, but not make any.
func NewAdmin(db *store.Store, log *slog.Logger) (*Admin, error) {
	r, err := newServices(Options{Store: db, Log: log}, ServeConfig{}, prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	return &Admin{r.approvals}, nil
}

// DisablePrincipal disables a principal, and cancels the open requests that they made or are accountable for. It lists the
// certificates that the scheduler renewed in their name.
func (a *Admin) DisablePrincipal(tx *store.Tx, id string) (principal.Effects, error) {
	done, err := principal.Disable(tx, id)
	if err != nil {
		return done, err
	}
	if done.CancelledRequests, err = a.approvals.CloseForPrincipal(tx, identity.CLI, id); err != nil {
		return done, err
	}
	done.BlockedCertificates, err = certificate.ListRenewedFor(tx, id)
	return done, err
}

// HandOver gives a person's services, and the certificates that the scheduler renews in their name, to another person.
func (a *Admin) HandOver(tx *store.Tx, from, to string) (principal.Effects, error) {
	var done principal.Effects
	services, err := principal.ListServices(tx, from)
	if err != nil {
		return done, err
	}
	for _, id := range services {
		changed, err := a.ChangeOwner(tx, id, to)
		if err != nil {
			return done, err
		}
		done.RevokedKeys = append(done.RevokedKeys, changed.RevokedKeys...)
		done.CancelledRequests = append(done.CancelledRequests, changed.CancelledRequests...)
	}
	done.MovedServices = services
	return done, principal.HandOver(tx, from, to)
}

// ChangeOwner gives a service to another human, revokes its keys and cancels its open requests. The former owner is
// accountable for these requests, so the new owner must request them again.
func (a *Admin) ChangeOwner(tx *store.Tx, id, owner string) (principal.Effects, error) {
	done, err := principal.SetOwner(tx, id, owner)
	if err != nil {
		return done, err
	}
	done.CancelledRequests, err = a.approvals.CloseForFormerOwners(tx, identity.CLI, id, owner)
	return done, err
}
