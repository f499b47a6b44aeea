package store

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// NewID makes an id: the prefix and 80 random bits in lower-case letters and digits.
func NewID(prefix string) string {
	random := make([]byte, 10)
	rand.Read(random)
	return prefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random))
}

// NewSortedID makes an id that sorts by the time it was made for: rows of one microsecond keep no order.
func NewSortedID(prefix string, at time.Time) string {
	random := make([]byte, 6)
	rand.Read(random)
	return fmt.Sprintf("%s%014x%s", prefix, at.UnixMicro(), hex.EncodeToString(random))
}
