package web

import (
	"net/http"
	"net/netip"
	"testing"
)

// A client cannot choose its own address: only what trusted proxies appended counts.
func TestClientAddress_BelievesTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, c := range map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"no proxy":                       {"192.0.2.7:1", nil, "192.0.2.7"},
		"an untrusted peer":              {"192.0.2.7:1", []string{"198.51.100.1"}, "192.0.2.7"},
		"an untrusted peer names itself": {"192.0.2.7:1", []string{"10.0.0.1"}, "192.0.2.7"},
		"a proxy":                        {"10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		"a proxy without the header":     {"10.0.0.1:1", nil, "10.0.0.1"},
		"an empty header":                {"10.0.0.1:1", []string{""}, "10.0.0.1"},
		"a mapped proxy":                 {"[::ffff:10.0.0.1]:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		"a proxy with IPv6":              {"[fd00::1%eth0]:1", []string{"2001:db8::5"}, "2001:db8::5"},
		"a client that spoofs":           {"10.0.0.1:1", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		"a client that spoofs a proxy":   {"10.0.0.1:1", []string{"10.0.0.9, 198.51.100.1"}, "198.51.100.1"},
		"a client that spoofs a line":    {"10.0.0.1:1", []string{"203.0.113.9", "198.51.100.1"}, "198.51.100.1"},
		"two proxies":                    {"10.0.0.1:1", []string{"203.0.113.9, 198.51.100.1,10.0.0.2"}, "198.51.100.1"},
		"proxies only":                   {"10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"an address with a port":         {"10.0.0.1:1", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		"an IPv6 address with a port":    {"10.0.0.1:1", []string{"[2001:db8::5]:4711"}, "2001:db8::5"},
		"an IPv6 address in brackets":    {"10.0.0.1:1", []string{"[2001:db8::5]"}, "2001:db8::5"},
		"no address":                     {"10.0.0.1:1", []string{"198.51.100.1, unknown"}, "10.0.0.1"},
		"no address before a proxy":      {"10.0.0.1:1", []string{"unknown, 10.0.0.2"}, "10.0.0.2"},
		"control characters":             {"10.0.0.1:1", []string{"198.51.100.1\x1b[2J"}, "10.0.0.1"},
		"a connection without address":   {"@", []string{"198.51.100.1"}, "@"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		if got := clientAddress(r, proxies); got != c.want {
			t.Errorf("%s: %s, not %s", name, got, c.want)
		}
		if got := clientAddress(&http.Request{RemoteAddr: c.peer, Header: r.Header}, nil); c.peer != "@" && len(c.forwarded) > 0 && got == "198.51.100.1" {
			t.Errorf("%s: the header is believed without a trusted proxy", name)
		}
	}
}

func TestNetworkOf_CountsAnIPv6NetworkOnce(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "192.0.2.8": "192.0.2.8", "2001:db8:1:2::3": "2001:db8:1:2::/64", "2001:db8:1:2:ffff::9": "2001:db8:1:2::/64",
		"2001:db8:1:3::3": "2001:db8:1:3::/64", "somewhere": "somewhere", "@": "@", "": "",
	} {
		if got := networkOf(address); got != want {
			t.Errorf("%s is %s, not %s", address, got, want)
		}
	}
}
