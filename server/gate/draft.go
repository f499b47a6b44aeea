package gate

import (
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"time"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/certctl/terraform-provider-certctl/api"
)

// draft is what would be signed, after lint.
type draft struct {
	serial   Serial
	validity Validity
	tbs      []byte
}

// Lint returns an UnsignableError if a certificate for the subject would break RFC 5280 or outlive its issuer.
func (g *Gate) Lint(s Subject, now time.Time) error {
	_, err := g.draftAndLint(s, now)
	return err
}

func (g *Gate) draftAndLint(s Subject, now time.Time) (draft, error) {
	issuer, err := g.findIssuer(s.IssuerID)
	if err != nil {
		return draft{}, err
	}
	d := draft{serial: newSerial(), validity: validityFrom(now, s.ValiditySeconds)}
	if d.tbs, err = issuer.Draft(s, d.serial, d.validity); errors.Is(err, ErrOutlivesIssuer) {
		return draft{}, &UnsignableError{api.Fault{Detail: fmt.Sprintf("%s: its %d seconds go beyond issuer %s", err, s.ValiditySeconds, s.IssuerID)}}
	} else if unfit := (*UnfitError)(nil); errors.As(err, &unfit) {
		return draft{}, &UnsignableError{api.Fault{Detail: unfit.Error()}}
	} else if err != nil {
		return draft{}, fmt.Errorf("draft the certificate: %w", err)
	}
	return d, g.lint(d.tbs, s)
}

// rfc5280Lints returns the lints of RFC 5280. Filtering costs more than running them, so New does it once. Three lints are left
// out, because package rules is more exact: a SPIFFE id may have a trust domain of one label, a profile may allow
// underscores, and RFC 5280 asks for one key usage that fits an extended key usage, not for no other.
func rfc5280Lints() (lint.Registry, error) {
	return lint.GlobalRegistry().Filter(lint.FilterOptions{
		IncludeSources: lint.SourceList{lint.RFC5280}, ExcludeNames: []string{
			"e_ext_san_uri_host_not_fqdn_or_ip", "e_rfc_dnsname_underscore_in_sld",
			"e_key_usage_and_extended_key_usage_inconsistent",
		},
	})
}

// lint returns an UnsignableError for what breaks RFC 5280, and logs what the lints advise against.
func (g *Gate) lint(tbs []byte, s Subject) error {
	der, err := withZeroSignature(tbs)
	if err != nil {
		return fmt.Errorf("lint: %w", err)
	}
	parsed, err := zx509.ParseCertificate(der)
	if err != nil {
		return &UnsignableError{api.Fault{Detail: "the certificate would not be well-formed: " + err.Error()}}
	}
	var broken, advice []string
	for name, result := range zlint.LintCertificateEx(parsed, g.lints).Results {
		switch result.Status {
		case lint.Error, lint.Fatal:
			broken = append(broken, strings.TrimSpace(name+" "+result.Details))
		case lint.Warn, lint.Notice:
			advice = append(advice, name)
		}
	}
	if len(broken) > 0 {
		sort.Strings(broken)
		return &UnsignableError{api.Fault{Detail: "the certificate would break RFC 5280: " + strings.Join(broken, "; ")}}
	}
	if len(advice) > 0 {
		sort.Strings(advice)
		g.log.Info("lint advice", slog.String("certificate_id", s.CertificateID), slog.Any("lints", advice))
	}
	return nil
}

// withZeroSignature makes a certificate of the bytes, since lints read certificates.
func withZeroSignature(tbs []byte) ([]byte, error) {
	algorithm, err := SignatureAlgorithm(tbs)
	if err != nil {
		return nil, err
	}
	return Assemble(tbs, algorithm, make([]byte, 64))
}

// SignatureAlgorithm returns the DER of the AlgorithmIdentifier inside a TBSCertificate.
func SignatureAlgorithm(tbs []byte) ([]byte, error) {
	var inner, version, serial, algorithm cryptobyte.String
	input := cryptobyte.String(tbs)
	if !input.ReadASN1(&inner, asn1.SEQUENCE) ||
		!inner.ReadOptionalASN1(&version, nil, asn1.Tag(0).Constructed().ContextSpecific()) ||
		!inner.ReadASN1(&serial, asn1.INTEGER) || !inner.ReadASN1Element(&algorithm, asn1.SEQUENCE) {
		return nil, errors.New("the to-be-signed bytes are no TBSCertificate")
	}
	return algorithm, nil
}

// Assemble returns the DER of a certificate made from its parts: to-be-signed bytes, AlgorithmIdentifier, signature.
func Assemble(tbs, algorithm, signature []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}
