package store

import (
	"fmt"
	"strings"
	"time"
)

// Bucket returns an SQL expression, and its arguments, that numbers the period in which a time column lies: 0 until the
// first end, 1 until the second, and len(ends) after the last. The ends ascend. The name of the column is a constant of the
// caller.
func Bucket(column string, ends []time.Time) (expression string, args []any) {
	var b strings.Builder
	b.WriteString("CASE")
	for i, end := range ends {
		fmt.Fprintf(&b, " WHEN %s <= ? THEN %d", column, i)
		args = append(args, end)
	}
	fmt.Fprintf(&b, " ELSE %d END", len(ends))
	return b.String(), args
}

// Count is how many rows are in a bucket.
type Count struct{ Bucket, Rows int }

// Fill returns the number of rows of each of n buckets. A bucket that counts lacks has none.
func Fill(counts []Count, n int) []int {
	all := make([]int, n)
	for _, c := range counts {
		all[c.Bucket] = c.Rows
	}
	return all
}
