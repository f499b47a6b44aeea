package rules

import (
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/certctl/terraform-provider-certctl/api"
)

const (
	// MaxCommonNameLength is the upper bound of X.520.
	MaxCommonNameLength = 64
	// maxSANBytes bounds the memory that a list of certificates takes.
	maxSANBytes = 64 << 10
)

// CheckCertificate parses the CSR of a certificate. It returns every fault of the certificate under a profile, in the
// order of the fields. If there is no fault, the profile allows the certificate.
func CheckCertificate(spec api.CertificateSpec, p api.ProfileSpec) (*CSR, []api.Fault) {
	csr, err := ParseCSR(spec.CSRPEM)
	if err != nil {
		return nil, checkFields(spec, p, []api.Fault{newFault("/csr_pem", "%s", err)})
	}
	return csr, checkFields(spec, p, checkCSR(spec, csr, p))
}

// CheckContent is CheckCertificate for a parsed CSR, without renew_before_seconds: when a certificate is renewed is no part
// of what is signed, and the lifetime of the profile may have become shorter since. The gate calls it before each signature.
func CheckContent(spec api.CertificateSpec, csr *CSR, p api.ProfileSpec) []api.Fault {
	spec.RenewBeforeSeconds = nil
	return checkFields(spec, p, checkCSR(spec, csr, p))
}

// CheckForm returns the faults of a certificate that no profile can mend: names in a wrong spelling, a CSR that is never
// accepted, and a CSR that asks for names which are none of the certificate's. CheckCertificate finds these faults, too.
func CheckForm(spec api.CertificateSpec) []api.Fault {
	out := CheckSpelling(spec.SANs)
	csr, err := ParseCSR(spec.CSRPEM)
	if err != nil {
		return append(out, newFault("/csr_pem", "%s", err))
	}
	widest := api.ProfileSpec{}
	for _, usage := range allowedEKUs {
		widest.AllowedEKUs = append(widest.AllowedEKUs, usage.String())
	}
	_, faults := csr.Review(spec.CommonName, spec.SANs, widest)
	for _, fault := range faults {
		out = append(out, newFault("/csr_pem", "%s", fault))
	}
	return out
}

// CheckSpelling returns the faults of SANs in a wrong spelling.
func CheckSpelling(sans []string) (out []api.Fault) {
	for i, s := range sans {
		if _, err := ParseName(s); err != nil {
			out = append(out, newFault("/sans/"+strconv.Itoa(i), "%s", err))
		}
	}
	return out
}

// checkFields returns the faults of every field. csr holds the faults of the CSR.
func checkFields(spec api.CertificateSpec, p api.ProfileSpec, csr []api.Fault) []api.Fault {
	return slices.Concat(
		checkCommonName(spec, p),
		checkSANs(spec, p),
		csr,
		checkRenewBefore(spec.RenewBeforeSeconds, p.MaxTTLSeconds),
		CheckLabels(spec.Labels),
	)
}

// checkCommonName checks a common name that is none of the SANs. checkSANs checks the others.
func checkCommonName(spec api.CertificateSpec, p api.ProfileSpec) []api.Fault {
	const pointer = "/common_name"
	if spec.CommonName == "" {
		return nil
	}
	var out []api.Fault
	if n := utf8.RuneCountInString(spec.CommonName); n > MaxCommonNameLength {
		out = append(out, newFault(pointer, "the common name has %d characters; at most %d are allowed", n, MaxCommonNameLength))
	}
	if !slices.Contains(spec.SANs, spec.CommonName) {
		if err := checkFreeCommonName(spec.CommonName, p); err != nil {
			out = append(out, newFault(pointer, "%s", err))
		}
	}
	if n, err := ParseName(spec.CommonName); err == nil && n.Kind() == URI {
		out = append(out, newFault(pointer, "a URI cannot be the common name; use a DNS name, an IP address or an e-mail address"))
	}
	return out
}

// checkSANs accepts no SANs if the profile allows common names that are no SANs, and there is a common name.
func checkSANs(spec api.CertificateSpec, p api.ProfileSpec) []api.Fault {
	var out []api.Fault
	sans := spec.SANs
	switch {
	case len(sans) == 0 && spec.CommonName != "" && len(p.AllowedCommonNames) > 0:
		return nil
	case len(sans) == 0 && len(p.AllowedCommonNames) > 0:
		return []api.Fault{newFault("/sans", "a certificate needs at least one name: one of the sans, or a common name that matches the profile's allowed_common_names")}
	case len(sans) == 0:
		return []api.Fault{newFault("/sans", "a certificate needs at least one name")}
	case len(sans) > p.MaxSANs:
		out = append(out, newFault("/sans", "there are %d names; the profile allows at most %d", len(sans), p.MaxSANs))
	}
	if len(sans) > MaxListLength { // no profile allows so many, so the names are not checked
		return out
	}
	bytes := 0
	for _, s := range sans {
		bytes += len(s)
	}
	if bytes > maxSANBytes {
		return append(out, newFault("/sans", "the names have %d bytes; at most %d are allowed", bytes, maxSANBytes))
	}
	allowed := NewNamePatterns(p)
	first := make(map[string]int, len(sans))
	for i, s := range sans {
		pointer := "/sans/" + strconv.Itoa(i)
		if at, again := first[s]; again {
			out = append(out, newFault(pointer, "%.100q is there already, as element %d", s, at))
			continue
		}
		first[s] = i
		if err := checkSAN(s, allowed); err != nil {
			out = append(out, newFault(pointer, "%s", err))
		}
	}
	return out
}

func checkSAN(s string, allowed *NamePatterns) error {
	n, err := ParseName(s)
	if err != nil {
		return err
	}
	return allowed.CheckName(n)
}

func checkCSR(spec api.CertificateSpec, csr *CSR, p api.ProfileSpec) []api.Fault {
	var out []api.Fault
	_, faults := csr.Review(spec.CommonName, spec.SANs, p)
	for _, fault := range faults {
		out = append(out, newFault("/csr_pem", "%s", fault))
	}
	if csr.PublicKey == nil {
		return out
	}
	if err := CheckKey(p, csr.Key); err != nil {
		out = append(out, newFault("/csr_pem", "%s", err))
	}
	return out
}

func checkRenewBefore(seconds *int64, validity int64) []api.Fault {
	const pointer = "/renew_before_seconds"
	switch {
	case seconds == nil:
		return nil
	case *seconds < 1:
		return []api.Fault{newFault(pointer, "%d is not positive; leave it out to renew when a third of the lifetime is left", *seconds)}
	case *seconds > validity/2:
		return []api.Fault{newFault(pointer, "%d is more than half of the %d seconds for which the profile makes certificates valid", *seconds, validity)}
	}
	return nil
}
