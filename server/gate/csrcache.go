package gate

import (
	"crypto/sha256"
	"sync"

	"github.com/certctl/terraform-provider-certctl/rules"
)

// csrCache caches parsed CSRs by their text. Parsing verifies a signature and takes up to a millisecond, and the gate
// parses the same CSR several times, mostly under locks. Only a CSR with a usable key is cached.
type csrCache struct {
	mutex  sync.Mutex
	parsed map[[sha256.Size]byte]*rules.CSR
}

// A full cache is emptied. A longer CSR is not cached, so the cache takes some 10 MiB at most.
const (
	maxCachedCSRs   = 1000
	maxCachedLength = 8 << 10
)

// parse is rules.ParseCSR with a cache.
func (c *csrCache) parse(text string) (*rules.CSR, error) {
	key := sha256.Sum256([]byte(text))
	c.mutex.Lock()
	csr, found := c.parsed[key]
	c.mutex.Unlock()
	if found {
		return csr, nil
	}
	csr, err := rules.ParseCSR(text)
	if err != nil {
		return nil, err
	}
	if csr.PublicKey == nil || len(text) > maxCachedLength {
		return csr, nil
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.parsed == nil || len(c.parsed) >= maxCachedCSRs {
		c.parsed = map[[sha256.Size]byte]*rules.CSR{}
	}
	c.parsed[key] = csr
	return csr, nil
}
