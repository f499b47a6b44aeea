package rules

import (
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/certctl/terraform-provider-certctl/api"
)

const (
	// MaxCommonNameLength is X.520's upper bound.
	MaxCommonNameLength = 64
	// maxSANBytes bounds what a list of certificates can make the server hold.
	maxSANBytes = 64 << 10
)

// CheckCertificate parses the CSR of a certificate and returns every fault of the certificate under a profile, in the
// order of its fields. No fault means that the profile allows all of it.
func CheckCertificate(spec api.CertificateSpec, p api.ProfileSpec) (*CSR, []api.Fault) {
	csr, err := ParseCSR(spec.CSRPEM)
	if err != nil {
		return nil, checkWith(spec, p, []api.Fault{fault("/csr_pem", "%s", err)})
	}
	return csr, CheckContent(spec, csr, p)
}

// CheckContent is CheckCertificate for a CSR that is parsed already. The gate asks it again before each signature.
func CheckContent(spec api.CertificateSpec, csr *CSR, p api.ProfileSpec) []api.Fault {
	return checkWith(spec, p, checkCSR(spec, csr, p))
}

func checkWith(spec api.CertificateSpec, p api.ProfileSpec, csr []api.Fault) []api.Fault {
	return slices.Concat(
		checkCommonName(spec),
		checkSANs(spec.SANs, p),
		csr,
		checkRenewBefore(spec.RenewBeforeSeconds, p.MaxTTLSeconds),
		CheckLabels(spec.Labels),
	)
}

// checkCommonName leaves the spelling of the name to the check of the sans, of which it must be one.
func checkCommonName(spec api.CertificateSpec) []api.Fault {
	const pointer = "/common_name"
	if spec.CommonName == "" {
		return nil
	}
	var out []api.Fault
	if n := utf8.RuneCountInString(spec.CommonName); n > MaxCommonNameLength {
		out = append(out, fault(pointer, "the common name has %d characters; at most %d are allowed", n, MaxCommonNameLength))
	}
	if !slices.Contains(spec.SANs, spec.CommonName) {
		out = append(out, fault(pointer, "the common name is not one of the sans"))
	}
	if n, err := ParseName(spec.CommonName); err == nil && n.Kind() == URI {
		out = append(out, fault(pointer, "a URI cannot be the common name; use a DNS name, an IP address or an e-mail address"))
	}
	return out
}

func checkSANs(sans []string, p api.ProfileSpec) []api.Fault {
	var out []api.Fault
	switch {
	case len(sans) == 0:
		return []api.Fault{fault("/sans", "a certificate needs at least one name")}
	case len(sans) > p.MaxSANs:
		out = append(out, fault("/sans", "there are %d names; the profile allows at most %d", len(sans), p.MaxSANs))
	}
	if len(sans) > MaxListLength { // more than any profile allows: not looked at name by name
		return out
	}
	bytes := 0
	for _, s := range sans {
		bytes += len(s)
	}
	if bytes > maxSANBytes {
		return append(out, fault("/sans", "the names have %d bytes; at most %d are allowed", bytes, maxSANBytes))
	}
	allowed := NamesOf(p)
	first := make(map[string]int, len(sans))
	for i, s := range sans {
		pointer := "/sans/" + strconv.Itoa(i)
		if at, again := first[s]; again {
			out = append(out, fault(pointer, "%.100q is there already, as element %d", s, at))
			continue
		}
		first[s] = i
		if err := checkSAN(s, allowed); err != nil {
			out = append(out, fault(pointer, "%s", err))
		}
	}
	return out
}

func checkSAN(s string, allowed *Names) error {
	n, err := ParseName(s)
	if err != nil {
		return err
	}
	return allowed.Permits(n)
}

func checkCSR(spec api.CertificateSpec, csr *CSR, p api.ProfileSpec) []api.Fault {
	var out []api.Fault
	for _, err := range []error{csr.Within(spec.CommonName, spec.SANs, p.AllowedEKUs), PermitsKey(p, csr.Key)} {
		if err != nil {
			out = append(out, fault("/csr_pem", "%s", err))
		}
	}
	return out
}

func checkRenewBefore(seconds *int64, validity int64) []api.Fault {
	const pointer = "/renew_before_seconds"
	switch {
	case seconds == nil:
		return nil
	case *seconds < 1:
		return []api.Fault{fault(pointer, "%d is not positive; leave it out for a third of the lifetime", *seconds)}
	case *seconds >= validity:
		return []api.Fault{fault(pointer, "%d is not below the %d seconds for which the profile makes certificates valid", *seconds, validity)}
	}
	return nil
}
