package app

import (
	"os"
	"regexp"
	"testing"
	"time"
)

// systemd kills a server that has not stopped within the unit's TimeoutStopSec.
func TestUnit_WaitsUntilTheServerHasStopped(t *testing.T) {
	t.Parallel()
	unit, err := os.ReadFile("../../packaging/certctl.service")
	if err != nil {
		t.Fatal(err)
	}
	setting := regexp.MustCompile(`(?m)^TimeoutStopSec=(.*)$`).FindSubmatch(unit)
	if setting == nil {
		t.Fatal("the unit has no TimeoutStopSec")
	}
	if limit, err := time.ParseDuration(string(setting[1])); err != nil || limit <= shutdownGrace+copyGrace {
		t.Errorf("TimeoutStopSec is %s: %v; the server needs up to %s", setting[1], err, shutdownGrace+copyGrace)
	}
}
