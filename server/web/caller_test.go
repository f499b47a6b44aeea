package web

import "testing"

func TestAddressOf_ReturnsHostOrIPv6Network(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.7:1234":           "192.0.2.7",
		"192.0.2.8:1":              "192.0.2.8",
		"[::ffff:192.0.2.7]:1234":  "192.0.2.7",
		"[2001:db8:1:2::3]:4":      "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::9]:4": "2001:db8:1:2::/64",
		"[2001:db8:1:3::3]:4":      "2001:db8:1:3::/64",
		"[fe80::1%eth0]:4":         "fe80::/64",
		"somewhere":                "somewhere",
		"@":                        "@",
		"":                         "",
	} {
		if got := addressOf(remote); got != want {
			t.Errorf("%s is %s, not %s", remote, got, want)
		}
	}
}
