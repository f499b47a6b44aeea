// Package auditlog copies the audit trail to a file or to standard output, for a log shipper. Each line is one event as
// JSON, in the order in which followers of the API see them.
//
// Every event is written at least once. A cursor on disk says how far the log has come: it is stored after the events are
// written. So a process that dies in between writes those events again, and a process that was down writes what it missed.
// Each process writes all events, also those of other replicas.
//
// Nothing waits for the log. If it cannot be written, the log waits, and goes on from where it stopped.
package auditlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

const (
	// pause is the time between two looks at the trail while there is nothing new.
	pause    = time.Second
	pageSize = 500
	// lastLook bounds the time for the events of the last moment when the process ends.
	lastLook = 3 * time.Second
)

// Stdout is the target that means standard output.
const Stdout = "stdout"

// Log copies the audit trail.
type Log struct {
	store  *store.Store
	output output
	cursor cursorFile
	log    *slog.Logger

	at        store.Position // every event before it is written
	hasBegun  bool           // at is known
	mustStore bool           // at is newer than the cursor on disk

	mu        sync.Mutex
	failure   string     // of the last attempt; empty if it succeeded
	unwritten *time.Time // when the oldest event happened that is not written
}

// output is where the lines go. Write writes whole lines. After an error the next Write begins a new line.
type output interface {
	io.Writer
	// flush returns when everything that was written would survive a crash of the machine.
	flush() error
}

// Check returns an error if a target cannot be written. It makes no file.
func Check(target string) error {
	if target == Stdout {
		return nil
	}
	if _, _, err := cursorFile(target + cursorEnding).read(); err != nil {
		return err
	}
	if err := checkRegular(target); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	directory := filepath.Dir(target)
	if info, err := os.Stat(directory); err != nil || !info.IsDir() {
		return fmt.Errorf("%s is no directory", directory)
	}
	return nil
}

const cursorEnding = ".cursor"

// Open prepares a log. The target is a file, or Stdout, whose cursor is in the data directory. A log without a cursor begins
// with the next event; a log with an empty cursor file begins with the oldest.
func Open(target, dataDir string, db *store.Store, log *slog.Logger) (*Log, error) {
	l := &Log{store: db, log: log}
	if target == Stdout {
		l.output, l.cursor = &stdout{}, cursorFile(filepath.Join(dataDir, "audit-log.cursor"))
	} else {
		f := &file{path: target}
		if err := f.open(); err != nil {
			return nil, err
		}
		l.output, l.cursor = f, cursorFile(target+cursorEnding)
	}
	var err error
	l.at, l.hasBegun, err = l.cursor.read()
	return l, err
}

// Run copies events until ctx ends, and then those that are there already.
func (l *Log) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if l.step(ctx) {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLook)
	defer cancel()
	for l.step(last) {
	}
}

// step copies the next events, and reports whether there may be more.
func (l *Log) step(ctx context.Context) bool {
	p, err := l.read(ctx)
	if err != nil && ctx.Err() != nil {
		return false
	}
	if err == nil {
		l.noteUnwritten(p.oldest)
		err = l.write(p)
	}
	if err == nil {
		l.noteUnwritten(p.waiting)
	}
	l.noteResult(err)
	return err == nil && len(p.rows) == pageSize
}

// page is what one look at the trail found.
type page struct {
	rows    []audit.Row
	next    store.Position // after the rows
	oldest  *time.Time     // of all events that are not written
	waiting *time.Time     // of those after the page
}

// read reads the next events. At the first look of a log without a cursor it finds the end of the trail instead.
func (l *Log) read(ctx context.Context) (p page, _ error) {
	err := l.store.Read(ctx, func(tx *store.Tx) (err error) {
		if !l.hasBegun {
			p.next.Number, err = tx.GetSettled()
			return err
		}
		if p.rows, p.next, err = audit.Follow(tx, audit.Filter{}, l.at, pageSize); err != nil {
			return err
		}
		if p.waiting, err = audit.TimeAfter(tx, p.next); err != nil {
			return err
		}
		if p.oldest = p.waiting; len(p.rows) > 0 {
			p.oldest = &p.rows[0].OccurredAt
		}
		return nil
	})
	if api.Is(err, api.CodeInvalidRequest) { // the cursor is newer than the trail
		l.log.WarnContext(ctx, "the database was restored from a backup: the audit log begins again with the oldest event", "cursor_file", string(l.cursor))
		l.at, l.mustStore = store.Position{}, true
		return page{}, nil
	}
	return p, err
}

// write writes a page and stores the cursor after what was written.
func (l *Log) write(p page) error {
	written, err := l.writeRows(p.rows)
	switch {
	case err == nil && p.next != (store.Position{}):
		l.mustStore = l.mustStore || len(p.rows) > 0 || !l.hasBegun
		l.at, l.hasBegun = p.next, true
	case written > 0:
		l.at, l.mustStore = p.rows[written-1].Place(), true
	}
	if !l.mustStore {
		return err
	}
	if storeErr := l.cursor.store(l.at); storeErr != nil {
		return errors.Join(err, storeErr)
	}
	l.mustStore = false
	return err
}

// writeRows returns how many events were written.
func (l *Log) writeRows(rows []audit.Row) (int, error) {
	if len(rows) == 0 {
		return 0, nil
	}
	var lines bytes.Buffer
	if err := audit.WriteLines(&lines, rows); err != nil {
		return 0, err
	}
	n, err := l.output.Write(lines.Bytes())
	if flushErr := l.output.flush(); flushErr != nil {
		return 0, errors.Join(err, flushErr)
	}
	return bytes.Count(lines.Bytes()[:n], []byte("\n")), err
}

// noteResult logs a change between failing and succeeding.
func (l *Log) noteResult(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	failure := ""
	if err != nil {
		failure = err.Error()
	}
	switch had := l.failure; {
	case failure != "" && failure != had:
		l.log.Warn("the audit log is not complete; trying again", "error", failure)
	case failure == "" && had != "":
		l.log.Info("the audit log is complete again")
	}
	l.failure = failure
}

func (l *Log) noteUnwritten(at *time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unwritten = at
}

// Register registers the metrics.
func (l *Log) Register(registry prometheus.Registerer) {
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "certctl_audit_log_failed", Help: "1 while the audit log cannot be written.",
		}, l.failed),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "certctl_audit_log_lag_seconds", Help: "Age of the oldest event that is not in the audit log; 0 if there is none.",
		}, l.lag),
	)
}

func (l *Log) failed() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != "" {
		return 1
	}
	return 0
}

func (l *Log) lag() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unwritten == nil {
		return 0
	}
	return max(0, l.store.Now().Sub(*l.unwritten).Seconds())
}
