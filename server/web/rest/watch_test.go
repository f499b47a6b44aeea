package rest_test

import (
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

const (
	watchPage     = "../../../docs/server/watch.md"
	rulesFile     = "../../../examples/prometheus/certctl.rules.yml"
	rulesTestFile = "../../../examples/prometheus/certctl.rules.test.yml"
)

// alert is a rule of the rule file.
type alert struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// The page has every metric of the server, with its labels, and names no other metric.
func TestWatch_HasEveryMetric(t *testing.T) {
	page := readText(t, watchPage)
	metrics := listMetrics(t)
	for name, labels := range metrics {
		row := "\n| `" + name
		if len(labels) > 0 {
			row += "{" + strings.Join(labels, ",") + "}"
		}
		if !strings.Contains(page, row+"` |") {
			t.Errorf("the page has no row %q", row)
		}
	}
	checkMetrics(t, page, metrics)
}

// Every alert reads metrics and labels that the server has, and the page says what to do.
func TestWatch_HasEveryAlert(t *testing.T) {
	page := readText(t, watchPage)
	metrics, alerts := listMetrics(t), readAlerts(t)
	if len(alerts) < 10 {
		t.Fatalf("found %d alerts", len(alerts))
	}
	for _, a := range alerts {
		if !strings.Contains(page, "\n| `"+a.Alert+"` | `"+a.Expr+"` | ") {
			t.Errorf("the page does not have %s with the expression %s", a.Alert, a.Expr)
		}
		if severity := a.Labels["severity"]; !slices.Contains([]string{"warning", "critical"}, severity) || a.Annotations["summary"] == "" {
			t.Errorf("%s has the severity %q and the summary %q", a.Alert, severity, a.Annotations["summary"])
		}
		checkMetrics(t, a.Expr, metrics)
	}
	for _, name := range regexp.MustCompile(`\bCertctl[A-Z]\w+`).FindAllString(page, -1) {
		if !slices.ContainsFunc(alerts, func(a alert) bool { return a.Alert == name }) {
			t.Errorf("the page has the alert %s, which is no rule", name)
		}
	}
}

// promtool runs the unit tests of the alerts. Each alert has a time at which it fires, and one at which it is silent.
func TestWatch_EveryAlertFires(t *testing.T) {
	t.Parallel()
	runPromtool(t, "test", "rules", rulesTestFile)
	var file struct {
		Tests []struct {
			Cases []struct {
				Alert    string `yaml:"alertname"`
				Expected []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		} `yaml:"tests"`
	}
	if err := yaml.Unmarshal([]byte(readText(t, rulesTestFile)), &file); err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, c := range test.Cases {
			fires[c.Alert] = fires[c.Alert] || len(c.Expected) > 0
			silent[c.Alert] = silent[c.Alert] || len(c.Expected) == 0
		}
	}
	for _, a := range readAlerts(t) {
		if !fires[a.Alert] || !silent[a.Alert] {
			t.Errorf("%s is tested firing: %t, silent: %t", a.Alert, fires[a.Alert], silent[a.Alert])
		}
	}
}

func runPromtool(t *testing.T, args ...string) {
	t.Helper()
	if said, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v: %s", args, err, said)
	}
}

func readAlerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string  `yaml:"name"`
			Rules []alert `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.UnmarshalWithOptions([]byte(readText(t, rulesFile)), &file, yaml.DisallowUnknownField()); err != nil {
		t.Fatal(err)
	}
	var alerts []alert
	for _, group := range file.Groups {
		alerts = append(alerts, group.Rules...)
	}
	return alerts
}

var (
	metricForm = regexp.MustCompile(`\b(certctl_\w+)(?:\{([^}]*)\})?`)
	labelForm  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"`)
	groupForm  = regexp.MustCompile(`by \(([^)]*)\) \((certctl_\w+)`)
)

// checkMetrics checks that the server has each metric of a text, and the labels that the text selects or groups by.
// Prometheus adds the label instance.
func checkMetrics(t *testing.T, text string, metrics map[string][]string) {
	t.Helper()
	check := func(name string, labels []string) {
		base := regexp.MustCompile(`_(count|sum|bucket)$`).ReplaceAllString(name, "")
		known, found := metrics[name]
		if !found {
			known, found = metrics[base]
		}
		if !found {
			t.Errorf("the server has no metric %s", name)
		}
		for _, label := range labels {
			if found && label != "instance" && !slices.Contains(known, label) {
				t.Errorf("%s has the labels %v, and no %q", name, known, label)
			}
		}
	}
	for _, use := range metricForm.FindAllStringSubmatch(text, -1) {
		var labels []string
		for _, label := range labelForm.FindAllStringSubmatch(use[2], -1) {
			labels = append(labels, label[1])
		}
		check(use[1], labels)
	}
	for _, use := range groupForm.FindAllStringSubmatch(text, -1) {
		check(use[2], strings.Split(use[1], ", "))
	}
}

// listMetrics returns the labels of each metric of the server, without the metrics of Go and of the process.
func listMetrics(t *testing.T) map[string][]string {
	t.Helper()
	registry := servertest.New(t, servertest.NoWorkers(), servertest.AuditLog(filepath.Join(t.TempDir(), "audit.log"))).App.Registry
	descriptions := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(descriptions)
		close(descriptions)
	}()
	form := regexp.MustCompile(`fqName: "(certctl_\w+)".*variableLabels: {([^}]*)}`)
	metrics := map[string][]string{}
	for d := range descriptions {
		if parts := form.FindStringSubmatch(d.String()); parts != nil {
			metrics[parts[1]] = strings.FieldsFunc(parts[2], func(r rune) bool { return r == ',' })
		}
	}
	if len(metrics) < 15 {
		t.Fatalf("found only the metrics %v", slices.Sorted(maps.Keys(metrics)))
	}
	return metrics
}
