// The program benchmark-page writes docs/benchmarks.md and its chart from the output of go test -bench. scripts/bench runs it.
package main

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"text/template"
)

// rows are the rows of the page, in their order, with the benchmark that measures each.
var rows = []struct{ title, benchmark string }{
	{"request a gated renewal", "Calls/request_a_renewal"},
	{"approve", "Calls/approve"},
	{"first page of 100 pending approvals", "Calls/first_page_of_100_pending"},
	{"last page of 100", "Calls/last_page_of_100_pending"},
	{"first page of 100,000", "Calls/first_page_of_100000_pending"},
	{"last page of 100,000", "Calls/last_page_of_100000_pending"},
	{"summary of 100 pending approvals", "Calls/summary_of_100_pending"},
	{"summary of 100,000", "Calls/summary_of_100000_pending"},
	{"from approval to certificate", "Burst/from_approval_to_certificate"},
	{"approve by 32 clients", "Burst/approve_by_32_clients"},
	{"sign while 32 clients approve", "Burst/sign_while_32_clients_approve"},
	{"sign what waits, by four workers", "Burst/sign_what_waits"},
	{"scan of 100,000 certificates", "Calls/scan_of_100000_certificates"},
	{"plan of 2,000 profiles", "Plan_NoChange2000/plan"},
	{"the same without refresh", "Plan_NoChange2000/plan_without_refresh"},
	{"start", "Start/start"},
	{"resident memory when idle", "Start/resident_memory"},
	{"anonymous memory when idle", "Start/anonymous_memory"},
}

//go:embed page.md.tmpl
var pageText string

// run is the output of a run: the figures of each benchmark by their unit, and what describes the machine.
type run struct {
	figures map[string]map[string]float64
	machine map[string]string
}

// row is a row of the page.
type row struct {
	Title, Measured, Floor, Ratio string
	ratio                         float64
}

func main() {
	if err := writePage(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "benchmark-page:", err)
		os.Exit(1)
	}
}

func writePage(output io.Reader) error {
	measured, err := readRun(output)
	if err != nil {
		return err
	}
	all, err := measured.rows()
	if err != nil {
		return err
	}
	page, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	text := &strings.Builder{}
	err = page.Execute(text, map[string]any{
		"Rows": all, "Cores": runtime.NumCPU(), "CPU": measured.machine["cpu"], "Go": runtime.Version(), "Commit": measured.machine["commit"],
		"Postgres": measured.machine["postgres"], "LoadBefore": measured.machine["load-before"], "LoadAfter": measured.machine["load-after"],
	})
	return errors.Join(err, os.WriteFile("docs/benchmarks.md", []byte(text.String()), 0o600), os.WriteFile("docs/benchmarks.svg", []byte(drawChart(all)), 0o600))
}

// readRun reads lines of go test -bench, and lines of the form "key: value".
func readRun(output io.Reader) (run, error) {
	read := run{map[string]map[string]float64{}, map[string]string{}}
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if key, value, ok := strings.Cut(lines.Text(), ": "); ok {
			read.machine[key] = value
		}
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		figures := map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return read, fmt.Errorf("%s: %w", lines.Text(), err)
			}
			figures[fields[i+1]] = value
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		read.figures[name[:max(strings.LastIndex(name, "-"), 0)]] = figures
	}
	return read, lines.Err()
}

// rows returns the rows of the page, or an error that names the benchmarks without a result.
func (r run) rows() ([]row, error) {
	var all []row
	var missing []error
	for _, wanted := range rows {
		figures, found := r.figures[wanted.benchmark]
		if !found {
			missing = append(missing, fmt.Errorf("%s has no result", wanted.benchmark))
			continue
		}
		unit := "ms"
		if _, isMemory := figures["certctl-MB"]; isMemory {
			unit = "MB"
		}
		ratio := figures["ratio"]
		all = append(all, row{wanted.title, format(figures["certctl-"+unit], unit), format(figures["floor-"+unit], unit), fmt.Sprintf("%.1f", ratio), ratio})
	}
	return all, errors.Join(missing...)
}

// format writes a figure with two digits that count.
func format(value float64, unit string) string {
	switch {
	case unit == "ms" && value >= 1000:
		return fmt.Sprintf("%.1f s", value/1000)
	case value >= 10:
		return fmt.Sprintf("%.0f %s", value, unit)
	default:
		return fmt.Sprintf("%.2g %s", value, unit)
	}
}
