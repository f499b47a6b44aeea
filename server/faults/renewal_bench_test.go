package faults_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// renewers is the number of clients that renew at once.
const renewers = 8

// BenchmarkGatedRenewal reports the server's processor time for each gated renewal: the request, its approval and the
// signature. Set CERTCTL_BENCH_BASE to a commit to measure that commit too, in the same run, and report the ratio.
func BenchmarkGatedRenewal(b *testing.B) {
	now, err := buildBinary()
	if err != nil {
		b.Fatal(err)
	}
	programs := map[string]string{"now": now}
	order := []string{"now"}
	if commit := os.Getenv("CERTCTL_BENCH_BASE"); commit != "" {
		programs["base"], order = buildCommit(b, commit), []string{"base", "now"}
	}
	for name, key := range map[string]func() crypto.Signer{"ECDSA": newECDSA, "RSA": newRSA} {
		b.Run(name, func(b *testing.B) {
			milliseconds := map[string]float64{}
			for b.Loop() {
				for _, program := range order {
					milliseconds[program] = measureRenewals(b, programs[program], key)
				}
			}
			for program, m := range milliseconds {
				b.ReportMetric(m, "cpu-ms/renewal-"+program)
			}
			if base := milliseconds["base"]; base > 0 {
				b.ReportMetric(milliseconds["now"]/base, "ratio")
			}
		})
	}
}

func newECDSA() crypto.Signer {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // it cannot fail for this curve
	return key
}

func newRSA() crypto.Signer {
	key, _ := rsa.GenerateKey(rand.Reader, 2048) // it cannot fail for this size
	return key
}

// buildCommit builds the server of an earlier commit.
func buildCommit(b *testing.B, commit string) string {
	b.Helper()
	dir := b.TempDir()
	path := filepath.Join(dir, "certctl")
	build := exec.CommandContext(b.Context(), "bash", "-c",
		`git -C ../.. archive "$0" | tar -x -C "$1" && cd "$1" && CGO_ENABLED=0 go build -buildvcs=false -o certctl ./server`, commit, dir)
	if said, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, said)
	}
	return path
}

// measureRenewals starts a server on a fresh PostgreSQL database, renews each certificate once, and returns the processor
// time of the server in milliseconds for each renewal.
func measureRenewals(b *testing.B, program string, key func() crypto.Signer) float64 {
	b.Helper()
	const each = 40
	dir := b.TempDir()
	env := append(os.Environ(), "CERTCTL_DATA_DIR="+dir, "CERTCTL_LISTEN=127.0.0.1:0", "CERTCTL_METRICS_LISTEN=",
		"CERTCTL_DATABASE_URL="+servertest.CreateEmptyDatabase(b), "CERTCTL_CA_CERT_FILE="+dir+"/ca.pem", "CERTCTL_CA_KEY_FILE="+dir+"/ca-key.pem")
	command := func(args ...string) string {
		run := exec.CommandContext(b.Context(), program, args...)
		run.Env = env
		out, err := run.Output()
		if err != nil {
			b.Fatalf("%v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	command("ca", "init")
	command("principal", "create", "olga", "--kind", "human", "--role", "operator")
	command("principal", "create", "bob", "--kind", "human", "--role", "approver")
	olgaKey, bobKey := command("key", "create", "olga"), command("key", "create", "bob")
	server := exec.CommandContext(b.Context(), program, "serve")
	server.Env = env
	url := startListening(b, server)
	olga, bob := connectTo(b, url, olgaKey), connectTo(b, url, bobKey)
	profile, err := olga.CreateProfile(b.Context(), api.CreateProfile{ProfileSpec: gatedSpec()})
	if err != nil {
		b.Fatal(err)
	}
	certificates := make([][]string, renewers)
	for i := range certificates {
		for n := range each {
			certificates[i] = append(certificates[i], createCertificate(b, olga, profile.ID, fmt.Sprintf("c%d-%d.example.com", i, n), key()))
		}
	}
	before := processorTime(b, server.Process.Pid)
	var renewing sync.WaitGroup
	for i := range renewers {
		renewing.Go(func() {
			for _, id := range certificates[i] {
				if err := renewAndApprove(b.Context(), olga, bob, id); err != nil {
					b.Error(err)
				}
			}
		})
	}
	renewing.Wait()
	for _, ids := range certificates {
		for _, id := range ids {
			waitUntilIssued(b, olga, id)
		}
	}
	return (processorTime(b, server.Process.Pid) - before).Seconds() * 1000 / (renewers * each)
}

func gatedSpec() api.ProfileSpec {
	spec := api.DefaultProfileSpec()
	spec.Name, spec.RequiresApproval, spec.AllowedDNSNames = "gated", true, []string{"**.example.com"}
	return spec
}

func connectTo(b *testing.B, url, key string) *client.Client {
	b.Helper()
	c, err := client.New(url, key)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func createCertificate(b *testing.B, olga *client.Client, profileID, name string, key crypto.Signer) string {
	b.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, key)
	if err != nil {
		b.Fatal(err)
	}
	spec := api.DefaultCertificateSpec()
	spec.ProfileID, spec.SANs = profileID, []string{name}
	spec.CSRPEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	c, err := olga.CreateCertificate(b.Context(), api.CreateCertificate{CertificateSpec: spec})
	if err != nil {
		b.Fatal(err)
	}
	return c.ID
}

func renewAndApprove(ctx context.Context, olga, bob *client.Client, id string) error {
	j, err := olga.RenewCertificate(ctx, id, api.Renew{})
	if err != nil {
		return err
	}
	_, err = bob.ApproveApproval(ctx, *j.ApprovalID, api.Decision{})
	return err
}

func waitUntilIssued(b *testing.B, olga *client.Client, id string) {
	b.Helper()
	for range 600 {
		if c, err := olga.GetCertificate(b.Context(), id); err == nil && c.Current != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatalf("%s was not issued", id)
}

// startListening starts a server and returns its URL. The server ends with the benchmark.
func startListening(b *testing.B, server *exec.Cmd) string {
	b.Helper()
	log := &servertest.LogBuffer{}
	server.Stderr = log
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // it was killed
	})
	for range 600 {
		if address := findAddress(log.String()); address != "" {
			return "http://" + address
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatal("the server does not listen")
	return ""
}

// findAddress returns the address in the log line of a server that listens; empty before that line.
func findAddress(log string) string {
	_, after, found := strings.Cut(log, `"msg":"listening","address":"`)
	address, _, complete := strings.Cut(after, `"`)
	if !found || !complete {
		return ""
	}
	return address
}

// processorTime returns the user and system time of a process, from /proc.
func processorTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		b.Skip("there is no /proc here:", err)
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	const utime, stime, tick = 11, 12, 10 * time.Millisecond
	user, _ := strconv.Atoi(fields[utime])
	system, _ := strconv.Atoi(fields[stime])
	return time.Duration(user+system) * tick
}
