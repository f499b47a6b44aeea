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
	if left := leftBehind(); left != "" && status == 0 {
		fmt.Fprintf(os.Stderr, "goroutines were left behind:\n\n%s\n", left)
		status = 1
	}
	os.Exit(status)
}

// leftBehind gives the goroutines that still run something of this module or of its databases after every server was
// stopped. They have a minute to end.
func leftBehind() string {
	deadline := time.Now().Add(time.Minute)
	for {
		var left []string
		stacks := make([]byte, 4<<20)
		for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			if strings.Contains(stack, "leftBehind") {
				continue
			}
			for _, ours := range []string{"certctl/terraform-provider-certctl", "database/sql", "jackc/pgx", "net/http.(*Server)"} {
				if strings.Contains(stack, ours) {
					left = append(left, stack)
					break
				}
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
		time.Sleep(20 * time.Millisecond)
	}
}
