package web

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/server/identity"
)

// exchange is what the log line of a request has beside the request itself. The handlers of the request fill it in.
type exchange struct {
	address string         // of the client; empty if the connection has none
	actor   identity.Actor // the holder of the key; the zero Actor if nobody was authenticated
}

type exchangeKey struct{}

func withExchange(ctx context.Context, e *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, e)
}

// exchangeOf returns the exchange of a request. Outside an engine of NewEngine it returns a new one.
func exchangeOf(ctx context.Context) *exchange {
	if e, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return e
	}
	return &exchange{}
}

// clientAddress returns the address of the client of a request. X-Forwarded-For counts only if a trusted proxy sent the
// request. Each proxy appends the address of its own peer, so the client is the rightmost address that is no trusted proxy;
// everything left of it comes from the client.
func clientAddress(r *http.Request, trusted []netip.Prefix) string {
	peer, ok := parseAddress(r.RemoteAddr)
	if !ok {
		return r.RemoteAddr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !isTrusted(peer, trusted) {
			break
		}
		before, ok := parseAddress(strings.TrimSpace(hop))
		if !ok {
			break // the proxy that wrote the hop is the last known address
		}
		peer = before
	}
	return peer.String()
}

// parseAddress reads an IP address, with or without a port.
func parseAddress(text string) (netip.Addr, bool) {
	host, _, err := net.SplitHostPort(text)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	}
	ip, err := netip.ParseAddr(host)
	return ip.Unmap().WithZone(""), err == nil
}

func isTrusted(ip netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// networkOf returns the network of an address: the key by which failed credentials are limited. An IPv6 network of 64 bits
// counts as one address, because its owner has 2^64 addresses.
func networkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Is4() {
		return address
	}
	const network = 64
	prefix, err := ip.Prefix(network)
	if err != nil {
		return address
	}
	return prefix.String()
}
