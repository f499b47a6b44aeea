package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A step that fails or panics is logged and stops no other step.
func TestStep_StopsNoOtherStep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		run  func(context.Context) error
		logs string
	}{
		"works":  {func(context.Context) error { return nil }, ""},
		"fails":  {func(context.Context) error { return errors.New("no database") }, `"what":"count","error":"no database"`},
		"panics": {func(context.Context) error { panic("no row") }, `"what":"count","panic":"no row"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			registry := prometheus.NewRegistry()
			s := &Server{log: slog.New(slog.NewJSONHandler(&log, nil)), steps: newStepGauge(registry)}
			s.runStep(t.Context(), "count", c.run)
			if failed := readGauge(t, registry); (failed == 1) != (c.logs != "") {
				t.Errorf("the gauge is %v", failed)
			}
			s.runStep(t.Context(), "count", func(context.Context) error { return nil })
			if failed := readGauge(t, registry); failed != 0 {
				t.Errorf("the gauge is %v after a success", failed)
			}
			if got := log.String(); !strings.Contains(got, c.logs) || (c.logs == "") != (got == "") {
				t.Errorf("the log does not say %q: %s", c.logs, got)
			}
		})
	}
}

// readGauge returns the only value of a registry.
func readGauge(t *testing.T, registry *prometheus.Registry) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || len(families[0].GetMetric()) != 1 {
		t.Fatalf("%v, %v", families, err)
	}
	return families[0].GetMetric()[0].GetGauge().GetValue()
}

func TestSearchPause(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ interval, left, want time.Duration }{
		{time.Hour, 30 * 24 * time.Hour, time.Hour},
		{time.Hour, 12 * time.Hour, time.Hour},
		{time.Hour, time.Hour, 5 * time.Minute},
		{time.Second, time.Hour, time.Second},
	} {
		if got := searchPause(c.interval, c.left); got != c.want {
			t.Errorf("searchPause(%s, %s) = %s, want %s", c.interval, c.left, got, c.want)
		}
	}
}
