package commands

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

const day = 24 * time.Hour

var daysForm = regexp.MustCompile(`^(-?)([0-9]+)d(.*)$`)

// parseDuration is time.ParseDuration with days. Days come first and are whole, as in 1d12h.
func parseDuration(text string) (time.Duration, error) {
	fault := fmt.Errorf("%q is no duration: write a number and a unit, such as 90s, 15m, 12h, 7d or 1d12h", text)
	parts := daysForm.FindStringSubmatch(text)
	if parts == nil {
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, fault
		}
		return d, nil
	}
	days, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || days > int64(math.MaxInt64/day) || strings.HasPrefix(parts[3], "-") || strings.HasPrefix(parts[3], "+") {
		return 0, fault
	}
	d := time.Duration(days) * day
	if parts[3] != "" {
		rest, err := time.ParseDuration(parts[3])
		if err != nil || rest > math.MaxInt64-d {
			return 0, fault
		}
		d += rest
	}
	if parts[1] == "-" {
		d = -d
	}
	return d, nil
}

// decodeDuration reads a setting or a flag that is a duration.
func decodeDuration(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
		return err
	}
	d, err := parseDuration(text)
	if err == nil {
		target.SetInt(int64(d))
	}
	return err
}
