package store

import (
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"gorm.io/gorm"
)

// Page is a part of a list, by keyset. Every page costs the same.
type Page struct {
	Limit  int
	After  Cursor
	Newest bool // newest first
}

// Cursor is the position after one row. The zero Cursor is before all rows.
type Cursor struct {
	At time.Time
	ID string
}

// On orders and cuts a query by a time column and the id that breaks ties. Both names are constants of the caller.
func (p Page) On(db *gorm.DB, timeColumn, idColumn string) *gorm.DB {
	direction, compare := "ASC", ">"
	if p.Newest {
		direction, compare = "DESC", "<"
	}
	if p.After.ID != "" {
		db = db.Where(fmt.Sprintf("(%s, %s) %s (?, ?)", timeColumn, idColumn, compare), p.After.At, p.After.ID)
	}
	return db.Order(fmt.Sprintf("%s %s, %s %s", timeColumn, direction, idColumn, direction)).Limit(p.Limit)
}

// String returns the cursor as callers send it back. They must not read it. The checksum detects a damaged one.
func (c Cursor) String() string {
	place := c.At.UTC().Format(time.RFC3339Nano) + " " + c.ID
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s %08x", place, crc32.ChecksumIEEE([]byte(place))))
}

// ParseCursor reads what String wrote. It returns an error for every other text.
func ParseCursor(s string) (Cursor, error) {
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return Cursor{}, errBadCursor
	}
	parts := strings.Split(string(text), " ")
	if len(parts) != 3 {
		return Cursor{}, errBadCursor
	}
	at, err := time.Parse(time.RFC3339Nano, parts[0])
	c := Cursor{At: at.UTC(), ID: parts[1]}
	if err != nil || c.ID == "" || len(c.ID) > 100 || c.String() != s || strings.ContainsFunc(c.ID, func(r rune) bool { return r < ' ' || r > '~' }) {
		return Cursor{}, errBadCursor
	}
	return c, nil
}

var errBadCursor = errors.New("use the value from the Link header of the page before")
