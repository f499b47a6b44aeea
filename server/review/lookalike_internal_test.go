// cspell:ignore examp paymetns rnail vvww nsole

package review

import "testing"

func TestResembles(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b string
		want bool
		why  string
	}{
		{"pay.example.com", "pay.example.com", false, "equal"},
		{"pay.examp1e.com", "pay.example.com", true, "1 for l"},
		{"shop.examp1e.com", "pay.example.com", true, "a look-alike domain below another label"},
		{"c0nsole.example.com", "console.example.com", true, "0 for o"},
		{"rnail.example.com", "mail.example.com", true, "rn for m"},
		{"vvww.example.com", "www.example.com", true, "vv for w"},
		{"pay.xn--exmple-4uf.com", "pay.example.com", true, "a Cyrillic letter"},
		{"admin@xn--exmple-4uf.com", "admin@example.com", true, "a Cyrillic letter in an address"},
		{"https://xn--exmple-4uf.com/pay", "https://example.com/pay", true, "a Cyrillic letter in a URI"},
		{"payment.example.com", "payments.example.com", true, "a letter left out"},
		{"paymetns.example.com", "payments.example.com", true, "two letters swapped"},
		{"www-example.com", "www.example.com", true, "a hyphen for a dot"},
		{"wwwexample.com", "www.example.com", true, "a dot left out"},
		{"pay.example.corn", "pay.example.com", true, "a look-alike top-level domain"},
		{"admin@examp1e.com", "admin@example.com", true, "an address"},
		{"spiffe://examp1e.org/pay", "spiffe://example.org/pay", true, "a URI"},
		{"node-2.example.com", "node-1.example.com", false, "a series"},
		{"node-12.example.com", "node-1.example.com", false, "a series"},
		{"node-b.example.com", "node-a.example.com", false, "a series of letters"},
		{"eu-1b.example.com", "eu-1a.example.com", false, "a series of letters"},
		{"app.example.com", "api.example.com", false, "short labels differ by one letter on purpose"},
		{"shop.example.com", "pay.example.com", false, "different words"},
		{"pay.example.co", "pay.example.com", true, "one letter of the top-level domain"},
		{"192.0.2.2", "192.0.2.12", false, "addresses are no domains"},
		{"pay.example.net", "pay.example.com", false, "a known domain"},
		{"a.pay.example.com", "pay.example.com", false, "one label more"},
		{"192.0.2.2", "192.0.2.1", false, "addresses"},
	} {
		if got := resembles(tc.a, tc.b); got != tc.want {
			t.Errorf("resembles(%s, %s) = %v, want %v: %s", tc.a, tc.b, got, tc.want, tc.why)
		}
		if got := resembles(tc.b, tc.a); got != tc.want {
			t.Errorf("resembles(%s, %s) = %v, want %v: %s", tc.b, tc.a, got, tc.want, tc.why)
		}
	}
}
