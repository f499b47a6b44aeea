package store

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"
)

// NewID makes an id: the prefix and 80 random bits in lower-case letters and digits.
func NewID(prefix string) string {
	random := make([]byte, 10)
	rand.Read(random)
	return prefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random))
}

// NewSortedID makes an id that sorts by the transaction's time, and within it in the order of the calls.
func (tx *Tx) NewSortedID(prefix string) string {
	random := make([]byte, 6)
	rand.Read(random)
	tx.sorted++
	return fmt.Sprintf("%s%014x%04x%s", prefix, tx.Now.UnixMicro(), tx.sorted, hex.EncodeToString(random))
}
