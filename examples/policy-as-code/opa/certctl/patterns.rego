# Whether one element of an allow list permits everything that another element permits. The rules are those of the server.
package certctl.patterns

import rego.v1

# Elements of the other lists permit only what is equal.
is_permitted(_, elements, new) if new in elements

is_permitted("allowed_dns_names", elements, _) if "**" in elements

is_permitted("allowed_dns_names", elements, new) if {
	some old in elements
	startswith(old, "**.")
	endswith(new, substring(old, 2, -1))
}

# A * is one label, so the new name may have one label in its place, or a *.
is_permitted("allowed_dns_names", elements, new) if {
	not startswith(new, "**")
	rest := array.slice(split(new, "."), 1, 1000)
	concat(".", array.concat(["*"], rest)) in elements
}

is_permitted("allowed_ip_ranges", elements, new) if {
	some old in elements
	net.cidr_contains(old, new)
}

is_permitted("allowed_uris", elements, new) if {
	some old in elements
	covers_path(segments(old), segments(new))
}

# A * is any run of characters. A * of the new pattern is within a run of the old one.
is_permitted("allowed_common_names", elements, new) if {
	some old in elements
	literals := [regex.replace(literal, `[[:punct:]]`, `\$0`) | some literal in split(old, "*")]
	regex.match(sprintf("^%s$", [concat(".*", literals)]), new)
}

# The scheme and the authority, or the namespace of a URN, are literal. They never hold a *.
segments(uri) := split(uri, ":") if startswith(uri, "urn:")

segments(uri) := split(uri, "/") if not startswith(uri, "urn:")

# A ** is the last segment, and stands for one segment or more.
covers_path(old, new) if {
	old[count(old) - 1] == "**"
	count(new) >= count(old)
	covers_segments(array.slice(old, 0, count(old) - 1), new)
}

covers_path(old, new) if {
	count(new) == count(old)
	covers_segments(old, new)
}

covers_segments(old, new) if {
	every i, segment in old {
		covers_segment(segment, new[i])
	}
}

covers_segment(segment, segment)

covers_segment("*", other) if other != "**"
