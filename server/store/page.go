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

// String returns the cursor as callers send it back. They must not read it.
func (c Cursor) String() string {
	return seal(c.At.UTC().Format(time.RFC3339Nano) + " " + c.ID)
}

// ParseCursor reads what String wrote. It returns an error for every other text.
func ParseCursor(s string) (Cursor, error) {
	place, err := unseal(s)
	if err != nil {
		return Cursor{}, err
	}
	timeText, id, _ := strings.Cut(place, " ")
	at, err := time.Parse(time.RFC3339Nano, timeText)
	c := Cursor{At: at.UTC(), ID: id}
	if err != nil || c.String() != s {
		return Cursor{}, errBadCursor
	}
	return c, nil
}

var errBadCursor = errors.New("use the value from the Link header of the page before")

// seal makes a cursor of a time or a number, a space and an id. The checksum detects a damaged cursor.
func seal(place string) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s %08x", place, crc32.ChecksumIEEE([]byte(place))))
}

// unseal returns what seal sealed. It returns an error for every other text.
func unseal(s string) (string, error) {
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return "", errBadCursor
	}
	parts := strings.Split(string(text), " ")
	if len(parts) != 3 || parts[1] == "" || len(parts[1]) > 100 || strings.ContainsFunc(parts[1], func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", errBadCursor
	}
	place := parts[0] + " " + parts[1]
	if seal(place) != s {
		return "", errBadCursor
	}
	return place, nil
}
