package provider_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

// keyStandIn takes the place of key.tf of the example, whose providers are not on this machine. In a plan that rotates the key
// its outputs are unknown, like those of tls_private_key and tls_cert_request.
const keyStandIn = `
resource "terraform_data" "rotation" {
  input = file("rotation")
}

resource "terraform_data" "key" {
  input = [file("key.pem"), file("csr.pem")]
  lifecycle {
    ignore_changes       = [input]
    replace_triggered_by = [terraform_data.rotation]
  }
}

locals {
  private_key_pem  = terraform_data.key.output[0]
  cert_request_pem = terraform_data.key.output[1]
}
`

// keyAndCSR returns a private key and a CSR for it, as PEM text.
func keyAndCSR(t *testing.T) (key, csr string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, private)
	if err != nil {
		t.Fatal(err)
	}
	return newPEM("PRIVATE KEY", keyDER), newPEM("CERTIFICATE REQUEST", der)
}

// In the example of a rotated key the consumers get a new key and its certificate together, or neither: whether the request
// waits, is rejected or is approved.
func TestCertificate_KeyRotation(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	w := newWorkspace(t, s, s.URL, string(readFile(t, "../examples/key-rotation/main.tf"))+keyStandIn)
	rotate := func(name string) (key string) {
		t.Helper()
		key, csr := keyAndCSR(t)
		w.Write(t, "key.pem", key)
		w.Write(t, "csr.pem", csr)
		w.Write(t, "rotation", name)
		mustSay(t, terraformtest.JoinLines(w.Run(t, 1, terraformtest.Apply...)), "The certificate of the new key is not issued yet")
		return key
	}
	expectPair := func(key string) {
		t.Helper()
		state := w.State(t)
		for name, pair := range map[string]any{
			"secret": state["terraform_data.secret"].Values["output"], "upload": state["terraform_data.upload"].Values["triggers_replace"],
		} {
			members, _ := pair.(map[string]any)
			got, _ := members["private_key_pem"].(string)
			chain, _ := members["full_chain_pem"].(string)
			if _, err := tls.X509KeyPair([]byte(chain), []byte(got)); err != nil || got != key {
				t.Errorf("%s has this key: %t. Key and certificate fit: %v", name, got == key, err)
			}
		}
	}
	first := rotate("first")
	approveNewest(t, s)()
	w.apply(t)
	expectPair(first)

	rotate("second")
	expectPair(first)
	reject(t, s, "not this week")
	w.Run(t, 1, terraformtest.Apply...)
	expectPair(first)

	third := rotate("third")
	expectPair(first)
	approveNewest(t, s)()
	w.apply(t)
	expectPair(third)
	w.ExpectNoChanges(t)

	// The key is rotated again before an apply reads the approved certificate.
	rotate("fourth")
	approveNewest(t, s)()
	fifth := rotate("fifth")
	expectPair(third)
	approveNewest(t, s)()
	w.apply(t)
	expectPair(fifth)
}

// A precondition on up_to_date lets Terraform ask again: after a request expired, and by a trigger after a rejection.
func TestCertificate_PreconditionLetsTerraformAskAgain(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	profile, csr := s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t)
	with := func(n int) string {
		return certificate(profile, csr, www, fmt.Sprintf("renewal_triggers = { n = %d }", n)) + `
resource "terraform_data" "listener" {
  input = certctl_certificate.this.full_chain_pem
  lifecycle {
    precondition {
      condition     = certctl_certificate.this.up_to_date
      error_message = "The certificate www is not issued yet."
    }
  }
}
`
	}
	w := newWorkspace(t, s, s.URL, with(1))
	expectRequest := func(n int) {
		t.Helper()
		mustSay(t, w.Run(t, 1, terraformtest.Apply...), "The certificate www is not issued yet")
		if got := countApprovals(t, s); got != n || newestApproval(t, s).State != api.ApprovalPending {
			t.Fatalf("there are %d approvals, the newest is %s", got, newestApproval(t, s).State)
		}
	}
	expectRequest(1)
	expireAll(t, s)
	expectRequest(2)
	reject(t, s, "not this week")
	w.Configure(t, with(2))
	expectRequest(3)
	approveNewest(t, s)()
	w.apply(t)
	w.ExpectNoChanges(t)
}
