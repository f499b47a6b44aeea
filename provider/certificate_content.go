package provider

import (
	"crypto/x509"
	"encoding/pem"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/rules"
)

// hasSameText reports whether names and CSR are written alike. An unknown value differs from any other.
func (m certificateModel) hasSameText(other certificateModel) bool {
	return m.hasSameNames(other) && m.CSRPEM.Equal(other.CSRPEM)
}

// hasSameContent reports whether the names and the key are the same. An unknown value differs from any other.
func (m certificateModel) hasSameContent(other certificateModel) bool {
	return m.hasSameNames(other) && hasSameKey(m.CSRPEM, other.CSRPEM)
}

func (m certificateModel) hasSameNames(other certificateModel) bool {
	return m.CommonName.Equal(other.CommonName) && m.SANs.Equal(other.SANs)
}

// hasSameKey reports whether two CSRs have the same key. Another text or signature around the key changes nothing that is
// signed.
func hasSameKey(a, b types.String) bool {
	if a.Equal(b) || a.IsUnknown() || b.IsUnknown() {
		return a.Equal(b)
	}
	key := keyHashOf(a.ValueString())
	return key != "" && key == keyHashOf(b.ValueString())
}

// keyHashOf returns the hash of a CSR's key; empty if the CSR cannot be read.
func keyHashOf(csr string) string {
	parsed, err := rules.ParseCSR(csr)
	if err != nil {
		return ""
	}
	return parsed.Key.SPKISHA256
}

// isOnLeaf reports whether a leaf already has the names and the key. The rules of the profile may have changed since.
func (m certificateModel) isOnLeaf(leafPEM string) bool {
	block, _ := pem.Decode([]byte(leafPEM))
	if block == nil || m.CommonName.IsUnknown() || !isKnownSet(m.SANs) || m.CSRPEM.IsUnknown() {
		return false
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil || leaf.Subject.CommonName != m.CommonName.ValueString() {
		return false
	}
	csr, err := rules.ParseCSR(m.CSRPEM.ValueString())
	return err == nil && slices.Equal(csr.SPKI, leaf.RawSubjectPublicKeyInfo) &&
		slices.Equal(slices.Sorted(slices.Values(stringsOf(m.SANs.Elements()))), sansOf(leaf))
}

func isKnownSet(s types.Set) bool {
	return !s.IsUnknown() && !slices.ContainsFunc(s.Elements(), attr.Value.IsUnknown)
}

func isKnownMap(m types.Map) bool {
	return !m.IsUnknown() && !slices.ContainsFunc(slices.Collect(maps.Values(m.Elements())), attr.Value.IsUnknown)
}

// sansOf returns the sorted SANs of a leaf.
func sansOf(leaf *x509.Certificate) []string {
	names := map[string]bool{}
	for _, name := range slices.Concat(leaf.DNSNames, leaf.EmailAddresses) {
		names[name] = true
	}
	for _, ip := range leaf.IPAddresses {
		names[ip.String()] = true
	}
	for _, uri := range leaf.URIs {
		names[uri.String()] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// hasSameTriggers reports whether no trigger asks for a renewal. Null and an empty map are the same. The first triggers of a
// certificate are only recorded: they say nothing about the leaf that exists.
func (m certificateModel) hasSameTriggers(other certificateModel, last certificateState) bool {
	isEmpty := func(triggers types.Map) bool { return !triggers.IsUnknown() && len(triggers.Elements()) == 0 }
	isFirst := isEmpty(other.RenewalTriggers) && last != stateRejected
	return m.RenewalTriggers.Equal(other.RenewalTriggers) || isEmpty(m.RenewalTriggers) && isEmpty(other.RenewalTriggers) || isFirst
}

// hasSameSpec reports whether there is nothing to write.
func (m certificateModel) hasSameSpec(other certificateModel) bool {
	return m.hasSameText(other) && m.AutoRenew.Equal(other.AutoRenew) &&
		m.RenewBeforeSeconds.Equal(other.RenewBeforeSeconds) && m.Labels.Equal(other.Labels)
}
