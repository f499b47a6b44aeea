package rules

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/certctl/terraform-provider-certctl/api"
)

// The limits of what a caller may write.
const (
	MaxListLength       = 1000
	MinTTLSeconds       = 3600
	MaxTTLSeconds       = 315360000 // ten years
	maxLabels           = 64
	maxLabelKeyLength   = 63
	maxLabelValueLength = 255
	// A list returns up to 500 whole objects. Without this limit, a few readers could fill the server's memory.
	maxBytes = 64 << 10
)

// CheckProfile returns every fault of a profile, in the order of its fields. If there is no fault, the profile may be
// stored. issuers are the ids of the server's issuers.
func CheckProfile(spec api.ProfileSpec, issuers []string) []api.Fault {
	return slices.Concat(
		checkName(spec.Name),
		checkIssuer(spec.IssuerID, issuers),
		checkKeyAlgorithms(spec.AllowedKeyAlgorithms),
		checkEKUs(spec.AllowedEKUs),
		checkSet("/allowed_dns_names", spec.AllowedDNSNames, dnsPatternCheck(spec.AllowUnderscores)),
		checkSet("/allowed_ip_ranges", spec.AllowedIPRanges, checkIPRange),
		checkSet("/allowed_uris", spec.AllowedURIs, checkURIPattern),
		checkSet("/allowed_email_domains", spec.AllowedEmailDomains, checkEmailDomain),
		checkRange("/max_sans", int64(spec.MaxSANs), 1, MaxListLength),
		checkRange("/max_ttl_seconds", spec.MaxTTLSeconds, MinTTLSeconds, MaxTTLSeconds),
		CheckDescription(spec),
		CheckLabels(spec.Labels),
		checkSize(spec),
	)
}

// CheckDescription returns every fault of the fields that describe a certificate beyond its SANs and its extended key usages.
func CheckDescription(spec api.ProfileSpec) []api.Fault {
	return slices.Concat(
		checkSubjectAttributes(spec.SubjectAttributes),
		checkCommonNamePatterns(spec),
		checkKeyUsages(spec),
		checkCSRExtras(spec.CSRExtras),
	)
}

func checkSize(spec api.ProfileSpec) []api.Fault {
	text, err := json.Marshal(spec)
	if err != nil || len(text) > maxBytes {
		return []api.Fault{{Detail: fmt.Sprintf("the profile is larger than %d bytes", maxBytes)}}
	}
	return nil
}

func checkCSRExtras(extras api.CSRExtras) []api.Fault {
	if extras == api.CSRExtrasList || extras == api.CSRExtrasRefuse {
		return nil
	}
	return []api.Fault{newFault("/csr_extras", "%s is neither list nor refuse", quoteShort(string(extras)))}
}

// CheckKey returns an error if the profile does not allow a public key, or if the key cannot have the profile's key usages.
func CheckKey(spec api.ProfileSpec, k api.Key) error {
	i := slices.IndexFunc(spec.AllowedKeyAlgorithms, func(a api.KeyAlgorithm) bool { return a.Algorithm == k.Algorithm })
	if i < 0 {
		return fmt.Errorf("the profile does not allow %s keys", k.Algorithm)
	}
	if least := spec.AllowedKeyAlgorithms[i].MinSize; k.Size < least {
		return fmt.Errorf("the %s key has %d bits; the profile asks for at least %d", k.Algorithm, k.Size, least)
	}
	_, err := KeyUsages(spec.KeyUsages, k.Algorithm)
	return err
}

// ParseEKU returns the extended key usage with a name; false if no profile may have it.
func ParseEKU(name string) (x509.ExtKeyUsage, bool) {
	i := slices.IndexFunc(allowedEKUs, func(u x509.ExtKeyUsage) bool { return u.String() == name })
	if i < 0 {
		return 0, false
	}
	return allowedEKUs[i], true
}

var allowedEKUs = []x509.ExtKeyUsage{
	x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageCodeSigning,
	x509.ExtKeyUsageEmailProtection, x509.ExtKeyUsageTimeStamping,
}

// refusedEKUs are well-known usages that no profile may have, each with the reason.
var refusedEKUs = map[string]string{
	"anyExtendedKeyUsage": "anyExtendedKeyUsage is refused: it would allow every use of the certificate; name the usages",
	"OCSPSigning":         "OCSPSigning is refused: such a certificate answers for its issuer on revocation",
}

// CheckLabels returns every fault of an object's labels. Certificates have the same rules as profiles.
func CheckLabels(labels map[string]string) []api.Fault {
	var out []api.Fault
	if len(labels) > maxLabels {
		out = append(out, newFault("/labels", "there are %d labels; at most %d are allowed", len(labels), maxLabels))
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		pointer := "/labels/" + escapePointer.Replace(key)
		if n := utf8.RuneCountInString(key); n < 1 || n > maxLabelKeyLength {
			out = append(out, newFault(pointer, "the key of a label has 1 to %d characters; this one has %d", maxLabelKeyLength, n))
		}
		if n := utf8.RuneCountInString(labels[key]); n > maxLabelValueLength {
			out = append(out, newFault(pointer, "the value of a label has at most %d characters; this one has %d", maxLabelValueLength, n))
		}
	}
	return out
}

// escapePointer escapes the name of a member as a reference token of RFC 6901.
var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

// newFault makes a fault with a formatted detail.
func newFault(pointer, format string, args ...any) api.Fault {
	return api.Fault{Pointer: pointer, Detail: fmt.Sprintf(format, args...)}
}

// elementPointer returns the pointer to an element of a list.
func elementPointer(pointer string, i int) string { return pointer + "/" + strconv.Itoa(i) }

// checkName refuses names that people cannot tell apart. The server checks the length when it reads the body.
func checkName(name string) []api.Fault {
	if fault := spacingFault(name); fault != "" {
		return []api.Fault{newFault("/name", "the name %s", fault)}
	}
	return nil
}

func checkIssuer(id string, issuers []string) []api.Fault {
	if slices.Contains(issuers, id) {
		return nil
	}
	return []api.Fault{newFault("/issuer_id", "there is no issuer %s; this server has %s", quoteShort(id), strings.Join(issuers, ", "))}
}

func checkRange(pointer string, n, least, most int64) []api.Fault {
	if n >= least && n <= most {
		return nil
	}
	return []api.Fault{newFault(pointer, "%d is not from %d to %d", n, least, most)}
}

// checkSet returns the faults of each element. If the list is too long, it returns only that fault.
func checkSet(pointer string, set []string, check func(string) error) []api.Fault {
	if len(set) > MaxListLength {
		return []api.Fault{newFault(pointer, "there are %d elements; at most %d are allowed", len(set), MaxListLength)}
	}
	var out []api.Fault
	first := make(map[string]int, len(set))
	for i, s := range set {
		if err := check(s); err != nil {
			out = append(out, newFault(elementPointer(pointer, i), "%s", err))
		}
		if at, again := first[s]; again {
			out = append(out, newFault(elementPointer(pointer, i), "%s is there already, as element %d", quoteShort(s), at))
			continue
		}
		first[s] = i
	}
	return out
}

func checkEKUs(ekus []string) []api.Fault {
	if len(ekus) == 0 {
		return []api.Fault{newFault("/allowed_ekus", "the list is empty; every certificate needs an extended key usage")}
	}
	return checkSet("/allowed_ekus", ekus, checkEKU)
}

func checkEKU(name string) error {
	if _, ok := ParseEKU(name); ok {
		return nil
	}
	if reason, ok := refusedEKUs[name]; ok {
		return errors.New(reason)
	}
	known := make([]string, len(allowedEKUs))
	for i, u := range allowedEKUs {
		known[i] = u.String()
		if strings.EqualFold(known[i], name) {
			return fmt.Errorf("%s is not the canonical spelling; write %s", quoteShort(name), quoteShort(known[i]))
		}
	}
	return fmt.Errorf("%s is not an extended key usage of a profile; there are %s", quoteShort(name), strings.Join(known, ", "))
}

// checkKeyAlgorithms refuses a repeated algorithm, because its smallest size would be ambiguous.
func checkKeyAlgorithms(algorithms []api.KeyAlgorithm) []api.Fault {
	const pointer = "/allowed_key_algorithms"
	if len(algorithms) == 0 {
		return []api.Fault{newFault(pointer, "the list is empty; add a key algorithm")}
	}
	if len(algorithms) > MaxListLength {
		return []api.Fault{newFault(pointer, "there are %d elements; at most %d are allowed", len(algorithms), MaxListLength)}
	}
	var out []api.Fault
	first := make(map[string]int, len(algorithms))
	for i, a := range algorithms {
		out = append(out, checkKeyAlgorithm(elementPointer(pointer, i), a)...)
		if at, again := first[a.Algorithm]; again {
			out = append(out, newFault(elementPointer(pointer, i), "%s is there already, as element %d", quoteShort(a.Algorithm), at))
			continue
		}
		first[a.Algorithm] = i
	}
	return out
}

func checkKeyAlgorithm(pointer string, a api.KeyAlgorithm) []api.Fault {
	size := pointer + "/min_size"
	switch a.Algorithm {
	case api.AlgorithmECDSA:
		if a.MinSize != 256 && a.MinSize != 384 && a.MinSize != 521 {
			return []api.Fault{newFault(size, "min_size of ECDSA is 256, 384 or 521")}
		}
	case api.AlgorithmRSA:
		if a.MinSize < minRSASize || a.MinSize > maxRSASize {
			return []api.Fault{newFault(size, "min_size of RSA is from %d to %d", minRSASize, maxRSASize)}
		}
	case api.AlgorithmEd25519:
		if a.MinSize != 0 {
			return []api.Fault{newFault(size, "Ed25519 keys have one size; leave min_size out")}
		}
	default:
		return []api.Fault{newFault(pointer+"/algorithm", "%s is not a key algorithm; there are ECDSA, RSA and Ed25519", quoteShort(a.Algorithm))}
	}
	return nil
}
