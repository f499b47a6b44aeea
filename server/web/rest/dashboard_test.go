package rest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const dashboardFile = "../../../examples/grafana/certctl.json"

// target is a query of a panel.
type target struct {
	Expr   string `json:"expr"`
	Legend string `json:"legendFormat"`
}

// Every query of the dashboard is one that Prometheus accepts. It reads metrics that the server has, and labels that these
// metrics have.
func TestDashboard_ReadsWhatTheServerHas(t *testing.T) {
	t.Parallel()
	targets := readTargets(t)
	if len(targets) < 10 {
		t.Fatalf("found %d queries", len(targets))
	}
	metrics := listMetrics(t)
	for _, target := range targets {
		checkMetrics(t, target.Expr, metrics)
		labels := listLabels(target.Expr, metrics)
		for _, name := range listUsedLabels(target) {
			if !slices.Contains(labels, name) {
				t.Errorf("no metric of %s has the label %q", target.Expr, name)
			}
		}
	}
	runPromtool(t, "check", "rules", writeAsRules(t, targets))
}

func readTargets(t *testing.T) []target {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string   `json:"title"`
			Targets []target `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal([]byte(readText(t, dashboardFile)), &dashboard); err != nil {
		t.Fatal(err)
	}
	var all []target
	for _, panel := range dashboard.Panels {
		all = append(all, panel.Targets...)
	}
	return all
}

var (
	byForm     = regexp.MustCompile(`\bby \(([^)]*)\)`)
	legendForm = regexp.MustCompile(`{{(\w+)}}`)
)

// listUsedLabels returns the labels that a query groups by, and those that its legend shows.
func listUsedLabels(query target) []string {
	var names []string
	for _, group := range byForm.FindAllStringSubmatch(query.Expr, -1) {
		names = append(names, strings.Split(group[1], ", ")...)
	}
	for _, label := range legendForm.FindAllStringSubmatch(query.Legend, -1) {
		names = append(names, label[1])
	}
	return names
}

// listLabels returns the labels of the metrics in an expression. Prometheus adds instance, and a histogram has le.
func listLabels(expr string, metrics map[string][]string) []string {
	labels := []string{"instance"}
	for _, use := range metricForm.FindAllStringSubmatch(expr, -1) {
		name, isHistogram := strings.CutSuffix(use[1], "_bucket")
		if isHistogram {
			labels = append(labels, "le")
		}
		labels = append(labels, metrics[strings.TrimSuffix(name, "_count")]...)
	}
	return labels
}

// writeAsRules writes the queries as a file of rules, which promtool can check.
func writeAsRules(t *testing.T, targets []target) string {
	t.Helper()
	text := &strings.Builder{}
	text.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, target := range targets {
		expr, _ := json.Marshal(strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")) // a string always has a form
		fmt.Fprintf(text, "  - {record: query%d, expr: %s}\n", i, expr)
	}
	path := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
