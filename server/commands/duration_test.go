package commands

import (
	"strings"
	"testing"
	"time"
)

func TestParseDuration_KnowsDays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"0": 0, "0d": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute, "168h": 7 * day, "7d": 7 * day,
		"1d12h": 36 * time.Hour, "1d0.5h": 24*time.Hour + 30*time.Minute, "-1d": -day, "-1d12h": -36 * time.Hour, "106751d": 106751 * day,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "d", "7", "168", "7 d", "1.5d", "12h1d", "1d1d", "1d-1h", "1d+1h", "7D", "1w", "106752d", "106751d24h", "99999999999999999999d", "1d ", "d7",
	} {
		if got, err := parseDuration(text); err == nil || !strings.Contains(err.Error(), "such as 90s, 15m, 12h, 7d or 1d12h") {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
}
