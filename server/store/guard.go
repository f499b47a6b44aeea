package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gorm.io/gorm"
)

// programVersion is the version of the rules that this program writes and signs by. A migration after which older programs
// must do neither raises min_program in schema_requirements, and programVersion with it.
const programVersion = 2

const (
	// maxClockSkew is how far this machine's clock may be from the database's: deadlines are compared across replicas.
	maxClockSkew = 2 * time.Second
	// maxMeasurement bounds how long a measurement may take to be used again: a longer one is not exact enough.
	maxMeasurement = time.Second
	measuredFor    = 5 * time.Second
)

// NotReadyError says what an operator has to fix. It holds nothing secret.
type NotReadyError struct{ Detail string }

func (e *NotReadyError) Error() string { return e.Detail }

// NotReady returns an UnavailableError that says what an operator has to fix.
func NotReady(format string, args ...any) error {
	return &UnavailableError{&NotReadyError{fmt.Sprintf(format, args...)}}
}

// guard keeps the last measurement that allowed this process to write.
type guard struct {
	mu       sync.Mutex
	at       time.Time // with its monotonic reading
	database time.Time // the database's clock at that moment
}

// allowsWrite reports whether the last measurement still allows writing. The elapsed time is monotonic, so a clock that was
// set since then is noticed.
func (g *guard) allowsWrite(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	elapsed := time.Since(g.at)
	return elapsed < measuredFor && now.Sub(g.database.Add(elapsed)).Abs() <= maxClockSkew
}

func (g *guard) keep(at, database time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at, g.database = at, database
}

// MayWrite returns an UnavailableError while this process must not write: its clock is off the database's, or the
// database requires a newer program. Write checks the same, so MayWrite only saves the attempt.
func (s *Store) MayWrite(ctx context.Context) error {
	if s.guard.allowsWrite(s.Now()) {
		return nil
	}
	return s.Read(ctx, func(tx *Tx) error { return s.measure(tx.DB) })
}

// checkWrite is MayWrite inside the transaction that writes.
func (s *Store) checkWrite(tx *Tx) error {
	if s.guard.allowsWrite(tx.Now) {
		return nil
	}
	return s.measure(tx.DB)
}

// measure reads the database's clock and its requirements. It keeps only a measurement that allows writing, so writing
// goes on as soon as the clock is right again.
func (s *Store) measure(db *gorm.DB) error {
	before := s.Now()
	there, err := s.readConditions(db)
	after, at := s.Now(), time.Now()
	if err != nil {
		return fmt.Errorf("compare the clock with the database's: %w", err)
	}
	if err := there.checkProgram(); err != nil {
		return err
	}
	if s.sqlite {
		there.Clock = after // it is this process's own
	} else if s.databaseClock != nil {
		there.Clock = s.databaseClock().UTC()
	}
	if skew := distance(there.Clock, before, after); skew > maxClockSkew {
		return NotReady("this machine's clock is %s off the database's: set both by the same time server", skew.Round(100*time.Millisecond))
	}
	if after.Sub(before) <= maxMeasurement {
		s.guard.keep(at, there.Clock)
	}
	return nil
}

// distance returns how far t is outside the time from before to after, in which t was read.
func distance(t, before, after time.Time) time.Duration {
	return max(before.Sub(t), t.Sub(after), 0)
}

// ClockOffset returns how far this machine's clock is ahead of the database's. On SQLite they are the same clock.
func (tx *Tx) ClockOffset() (time.Duration, error) {
	if tx.store.sqlite {
		return 0, nil
	}
	before := tx.store.Now()
	there, err := tx.store.readConditions(tx.DB)
	if err != nil {
		return 0, fmt.Errorf("compare the clock with the database's: %w", err)
	}
	after := tx.store.Now()
	if tx.store.databaseClock != nil {
		there.Clock = tx.store.databaseClock().UTC()
	}
	return before.Add(after.Sub(before) / 2).Sub(there.Clock), nil
}

// conditions are what the database says about its writers.
type conditions struct {
	Clock      time.Time
	MinProgram int
}

func (s *Store) readConditions(db *gorm.DB) (conditions, error) {
	query := "SELECT min_program FROM schema_requirements"
	if !s.sqlite {
		query = "SELECT clock_timestamp() AS clock, min_program FROM schema_requirements"
	}
	var there conditions
	result := db.Raw(query).Scan(&there)
	if result.Error == nil && result.RowsAffected != 1 {
		return there, fmt.Errorf("schema_requirements has %d rows", result.RowsAffected)
	}
	return there, result.Error
}

func (c conditions) checkProgram() error {
	if c.MinProgram > programVersion {
		return NotReady("this program is too old to write and sign: it has program version %d, and the database requires %d: upgrade certctl", programVersion, c.MinProgram)
	}
	return nil
}

// CheckProgram returns an UnavailableError if the database requires a newer program, as of this transaction.
func (tx *Tx) CheckProgram() error {
	there, err := tx.store.readConditions(tx.DB)
	if err != nil {
		return fmt.Errorf("look up the lowest program version: %w", err)
	}
	return there.checkProgram()
}
