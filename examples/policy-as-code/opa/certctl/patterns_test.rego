package certctl_test

import data.certctl.patterns
import rego.v1

test_narrower[name] if {
	some field, cases in {
		"allowed_dns_names": [
			["**", "*"], ["**", "a.b"], ["**", "**.b"],
			["**.shop.test", "www.shop.test"], ["**.shop.test", "a.b.shop.test"], ["**.shop.test", "*.shop.test"],
			["**.shop.test", "*.a.shop.test"], ["**.shop.test", "**.a.shop.test"],
			["*.shop.test", "www.shop.test"], ["*", "localhost"],
		],
		"allowed_ip_ranges": [["10.0.0.0/8", "10.1.0.0/16"], ["10.0.0.0/8", "10.1.2.3/32"], ["::/0", "2001:db8::/32"], ["2001:db8::/32", "2001:db8:1::/48"]],
		"allowed_uris": [
			["spiffe://a/*", "spiffe://a/b"], ["spiffe://a/**", "spiffe://a/b/c"], ["spiffe://a/**", "spiffe://a/*"],
			["spiffe://a/**", "spiffe://a/b/**"], ["spiffe://a/*/c", "spiffe://a/b/c"], ["spiffe://a/*/**", "spiffe://a/b/c/d"],
			["urn:opc:*:app", "urn:opc:x:app"], ["urn:opc:**", "urn:opc:x:app"],
		],
		"allowed_common_names": [
			["*", "node"], ["node-*", "node-1"], ["node-*", "node-1-*"], ["node-*", "node-"], ["*.a:b_c@d", "x.a:b_c@d"],
			["a*b*c", "aXbYc"], ["a*b*c", "a*bc"],
		],
		"allowed_ekus": [["serverAuth", "serverAuth"]],
	}
	some c in cases
	name := sprintf("%s %s", [field, c])
	patterns.is_permitted(field, ["other.example.com", c[0]], c[1])
}

test_not_narrower[name] if {
	some field, cases in {
		"allowed_dns_names": [
			["*", "**"], ["*", "a.b"], ["www.shop.test", "*.shop.test"], ["*.shop.test", "**.shop.test"], ["*.shop.test", "a.b.shop.test"],
			["*.shop.test", "shop.test"], ["**.shop.test", "shop.test"], ["**.shop.test", "myshop.test"], ["**.shop.test", "**"],
			["*.shop.test", "*.a.shop.test"], ["**.a.shop.test", "**.shop.test"], ["www.shop.test", "a.www.shop.test"], ["*.shop.test", null],
			["**.shop.test", null],
		],
		"allowed_ip_ranges": [["10.1.0.0/16", "10.0.0.0/8"], ["10.0.0.0/8", "11.0.0.0/16"], ["::/0", "10.0.0.0/8"], ["0.0.0.0/0", "2001:db8::/32"], ["10.0.0.0/8", null]],
		"allowed_uris": [
			["spiffe://a/b", "spiffe://a/*"], ["spiffe://a/*", "spiffe://a/**"], ["spiffe://a/*", "spiffe://a/b/c"], ["spiffe://a/*", "spiffe://b/a"],
			["spiffe://a/**", "spiffe://a"], ["spiffe://a/*/c", "spiffe://a/b/d"], ["spiffe://a/*/**", "spiffe://a/**"], ["spiffe://a/b/**", "spiffe://a/**"],
			["spiffe://a/*", "https://a/b"], ["urn:opc:*:app", "urn:opc:x:other"], ["urn:opc:*", "urn:opc:x:app"], ["urn:opc:*", "urn:other:x"],
			["spiffe://a/*", null],
		],
		"allowed_common_names": [
			["node-*", "*"], ["node-*", "anode-1"], ["node-1", "node-*"], ["node.1", "node-1"], ["a*b", "abc"], ["a.*", "ab"], ["*", null],
		],
		"allowed_email_domains": [["example.com", "a.example.com"], ["*", "example.com"]],
		"allowed_ekus": [["serverAuth", "clientAuth"], ["*", "clientAuth"], ["**", "clientAuth"]],
	}
	some c in cases
	name := sprintf("%s %s", [field, c])
	not patterns.is_permitted(field, ["other.example.org", c[0]], c[1])
}
