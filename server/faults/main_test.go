package faults_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	status := m.Run()
	removeBinary()
	if leaked := findLeakedGoroutines(); leaked != "" && status == 0 {
		fmt.Fprintf(os.Stderr, "goroutines still run:\n\n%s\n", leaked)
		status = 1
	}
	os.Exit(status)
}

// findLeakedGoroutines returns the goroutines of this module or its databases that still run after every server was
// stopped. They have a minute to end.
func findLeakedGoroutines() string {
	deadline := time.Now().Add(time.Minute)
	for {
		var running []string
		stacks := make([]byte, 4<<20)
		for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			if strings.Contains(stack, "findLeakedGoroutines") {
				continue
			}
			for _, name := range []string{"certctl/terraform-provider-certctl", "database/sql", "jackc/pgx", "net/http.(*Server)"} {
				if strings.Contains(stack, name) {
					running = append(running, stack)
					break
				}
			}
		}
		if len(running) == 0 || time.Now().After(deadline) {
			return strings.Join(running, "\n\n")
		}
		time.Sleep(20 * time.Millisecond)
	}
}
