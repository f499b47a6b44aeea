package app

import (
	"fmt"
	"net/netip"
	"strings"
)

// Prefixes is a list of networks as CIDR prefixes, separated by commas. An address without a prefix is a network of one.
type Prefixes []netip.Prefix

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Prefixes) UnmarshalText(text []byte) error {
	*p = nil
	if len(text) == 0 {
		return nil
	}
	for entry := range strings.SplitSeq(string(text), ",") {
		prefix, err := parsePrefix(strings.TrimSpace(entry))
		if err != nil {
			return err
		}
		*p = append(*p, prefix)
	}
	return nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil || prefix.Addr().Is4In6():
		return prefix, fmt.Errorf("%q is no network: write CIDR prefixes, such as 10.0.0.0/8,fd00::/8", text)
	case prefix != prefix.Masked():
		return prefix, fmt.Errorf("%q has bits set after its prefix: write %s", text, prefix.Masked())
	}
	return prefix, nil
}

// String returns the list as a setting has it.
func (p Prefixes) String() string {
	texts := make([]string, len(p))
	for i, prefix := range p {
		texts[i] = prefix.String()
	}
	return strings.Join(texts, ",")
}
