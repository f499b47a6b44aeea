package rest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/certctl/terraform-provider-certctl/api"
)

// field describes a field, parameter or header. A field that has a doc tag needs only an example here.
type field struct {
	text    string
	example any
}

// The examples show one request: alice requests a certificate of a shop, and bob decides.
const (
	exampleApprovalID  = "ar-4q7k2mzx5vbn3wtd"
	exampleJobID       = "job-6t2h7rcy4jdq5pae"
	exampleRequestID   = "req-7m3x5nbw2kzv6gfu"
	exampleKeyID       = "k7w2xq4m"
	exampleSerial      = "5f1c0e9a7b3d4c2681a0f4d2e6b79c35"
	exampleHash        = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	exampleDigest      = "sha256:" + exampleHash
	exampleTag         = `"3"`
	exampleCursor      = "opaque-cursor"
	exampleCSR         = "-----BEGIN CERTIFICATE REQUEST-----\n…\n-----END CERTIFICATE REQUEST-----\n"
	exampleCertificate = "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"
	exampleTime        = "2026-01-05T09:00:00Z"
	exampleEnd         = "2026-04-05T09:00:00Z"
	exampleDeadline    = "2026-01-12T09:00:00Z"
)

// null is an example of a field that has no value.
var null = json.RawMessage("null")

var exampleSANs = []string{"www.shop.example.com", "cart.shop.example.com"}

// Texts that several entries of fields use.
const (
	jobStatuses = "Status of the job. The last three are final.\n" +
		"- `AwaitingApproval`: a second person must approve the request.\n" +
		"- `Pending`: a worker runs the job at `run_at` or later.\n" +
		"- `Running`: a worker signs.\n" +
		"- `Completed`: the leaf is issued.\n" +
		"- `Failed`: the issuer failed for too long.\n" +
		"- `Cancelled`: the request ended, or the gate refused to sign."
	jobTypes = "Type of the job.\n" +
		"- `Issuance`: the first job of the certificate.\n" +
		"- `Renewal`: every later job."
	approvalStates = "State of the request. All states but `pending` are final.\n" +
		"- `pending`: the request waits for a decision.\n" +
		"- `approved`: another person approved the request.\n" +
		"- `rejected`: another person rejected the request.\n" +
		"- `expired`: the deadline passed without a decision.\n" +
		"- `cancelled`: the request was withdrawn, or a change closed the request."
	approvalKinds = "Kind of the request.\n" +
		"- `issuance`: a certificate under a gated profile is to be signed.\n" +
		"- `profile_edit`: a gated profile is to change."
	causes = "Why the request ended without approval, or the job without a leaf; null otherwise.\n" +
		"- `approval_rejected`: an approver rejected the request.\n" +
		"- `approval_withdrawn`: the request was withdrawn.\n" +
		"- `approval_expired`: nobody decided before the deadline.\n" +
		"- `subject_changed`: the request is no longer what would be signed.\n" +
		"- `certificate_archived`: the certificate was archived.\n" +
		"- `edit_replaced`: the same person sent another edit.\n" +
		"- `profile_deleted`: the profile was deleted.\n" +
		"- `person_disabled`: the accountable person was disabled.\n" +
		"- `owner_changed`: the service that asked has a new owner.\n" +
		"- `gate_refused`: the gate refused to sign.\n" +
		"- `issuer_failed`: the issuer failed for too long."
	previewProblem = "The refusal, if the outcome is `refused`; null otherwise."
	specSANs       = "DNS names, IP addresses, URIs and e-mail addresses to sign. Their order has no meaning."
	pendingEdit    = "Id of the approval that an edit of the profile waits for; null without one."
	ownProfileID   = "Id of your choice: `p-` and lower-case letters, digits and hyphens. If left out, the server makes an id."
)

// fields describes schemas and what they have. A parameter or a header of one operation has the operation before its key.
//   - Name is a schema.
//   - Name.field is a field of one schema, and field is a field of every other schema.
//   - ?name is a parameter, and collection/{name} is a path parameter.
//   - Name: is a header.
var fields = map[string]field{
	// Fields of several schemas.
	"accountable":        {"Person who is accountable for the request. For a service this is the owner of the service.", "alice"},
	"also_excluded":      {"", []string{"carol"}},
	"approval_id":        {"Id of the approval.", exampleApprovalID},
	"cause":              {causes, string(api.CauseApprovalRejected)},
	"certificate_id":     {"Id of the certificate.", "mc-www"},
	"certificate_pem":    {"", exampleCertificate},
	"chain_pem":          {"", exampleCertificate},
	"closed_by":          {"", "alice"},
	"created_at":         {"When the object was created.", exampleTime},
	"decided_at":         {"", exampleTime},
	"decided_by":         {"", "bob"},
	"digest":             {"`sha256:` and the hexadecimal SHA-256 of the subject as canonical JSON (RFC 8785).", exampleDigest},
	"error_message":      {"Why the job ended without a leaf, for people to read; empty otherwise.", "approval rejected"},
	"excluded":           {"", []string{"alice"}},
	"expires_at":         {"", exampleDeadline},
	"fingerprint_sha256": {"", exampleHash},
	"issuer_id":          {"Id of the issuer that signs.", "iss-local"},
	"job_id":             {"", exampleJobID},
	"kind": {"Kind of the principal.\n" +
		"- `human`: a person.\n" +
		"- `service`: a program, with a human as its owner.", string(api.KindHuman)},
	"labels":               {"Labels of your choice, for policies and for people.", map[string]string{"environment": "production"}},
	"not_after":            {"End of the validity.", exampleEnd},
	"not_before":           {"", exampleTime},
	"note":                 {"Remark of the person who decided or withdrew; empty without one.", "Approved per ticket SECOPS-12345."},
	"owner":                {"", "alice"},
	"pointer":              {"", "/max_ttl_seconds"},
	"previous_approval_id": {"", exampleApprovalID},
	"profile_id":           {"Id of the profile.", "p-shop"},
	"reason":               {"Why the request was made; empty if no reason was given.", "First certificate of the shop."},
	"request_id":           {"Id of the request, as in the header `X-Request-ID`.", exampleRequestID},
	"requested_by":         {"Principal that made the request.", "terraform"},
	"resource_id":          {"Id of the object.", "mc-www"},
	"resource_type":        {"Type of the object.", "certificate"},
	"roles": {"Roles of the principal. None implies another; all of them read as `viewer` does.\n" +
		"- `viewer`: reads all but the audit trail and the principals.\n" +
		"- `auditor`: reads the audit trail.\n" +
		"- `operator`: writes profiles and certificates, renews and withdraws.\n" +
		"- `approver`: decides; humans only.\n" +
		"- `admin`: reads principals.", []string{string(api.RoleOperator), string(api.RoleApprover)}},
	"sans":           {"DNS names, IP addresses, URIs and e-mail addresses of the leaf.", exampleSANs},
	"serial_number":  {"Serial number in lower-case hexadecimal.", exampleSerial},
	"server_version": {"Version of the server.", "1.4.0"},
	"spki_sha256":    {"SHA-256 of the public key (SubjectPublicKeyInfo in DER), in lower-case hexadecimal.", exampleHash},
	"stands_for":     {"", []string{"carol"}},
	"state":          {approvalStates, string(api.ApprovalRejected)},
	"subject": {"", map[string]any{
		"certificate_id": "mc-www", "common_name": exampleSANs[0], "extended_key_usages": []string{"serverAuth"},
		"issuer_fingerprint_sha256": exampleHash, "issuer_id": "iss-local",
		"key":        map[string]any{"algorithm": api.AlgorithmECDSA, "size": 256, "spki_sha256": exampleHash},
		"profile_id": "p-shop", "sans": exampleSANs, "validity_seconds": 7776000,
	}},
	"updated_at": {"When the object last changed.", exampleTime},
	"version":    {"Number that counts the changes of the fields that callers write. The `ETag` header has the same number.", 3},

	"APIKey":            {"A key of a principal, without its secret.", nil},
	"APIKey.id":         {"Id of the key.", exampleKeyID},
	"APIKey.name":       {"", "laptop"},
	"APIKey.revoked_at": {"", null},

	"Approval":                      {"A request that a second person decides.", nil},
	"Approval.context":              {"How the request differs from the leaf that a human approved last; null for a profile edit.", nil},
	"Approval.decided_at":           {"When the request was decided or expired; null for a pending or cancelled request.", nil},
	"Approval.id":                   {"Id of the approval.", exampleApprovalID},
	"Approval.kind":                 {approvalKinds, string(api.ApprovalIssuance)},
	"Approval.previous":             {"The newest request rejected since a human approved last, else the newest that ended; null without one.", nil},
	"Approval.previous_approval_id": {"Id of the earlier approval that this request follows; null without one.", nil},
	"Approval.profile_id":           {"Id of the profile; null for a kind of approval that has no profile.", nil},
	"Approval.profile_name":         {"Name of the profile when the request was made.", "Shop"},
	"Approval.rejections":           {"Rejected requests for any of the names, since a human approved last. Newest first, at most 20.", nil},
	"Approval.state":                {approvalStates, string(api.ApprovalApproved)},
	"Approval.subject":              {"All that the decision covers, and all that gets signed or stored. Sets are sorted by bytes.", nil},
	"Approval.cause":                {"", null},
	"Approval.closed_at":            {"", null},
	"Approval.closed_by":            {"", null},

	"ApprovalSummary":                     {"Numbers of approvals, and the oldest of them.", nil},
	"ApprovalSummary.approval_bypass":     {"Whether this server approves every request itself, which is meant for development and tests.", nil},
	"ApprovalSummary.count_by_kind":       {"", map[string]int{"issuance": 1, "profile_edit": 0}},
	"ApprovalSummary.count_by_profile":    {"", map[string]int{"p-shop": 1}},
	"ApprovalSummary.evaluated_at":        {"", exampleTime},
	"ApprovalSummary.oldest_requested_at": {"When the oldest of the approvals was requested; null without one.", exampleTime},
	"ApprovalSummary.total_count":         {"", 1},

	"AuditEvent":        {"One change of state, or one refused decision.", nil},
	"AuditEvent.action": {"", "approval_approved"},
	"AuditEvent.actor":  {"", "bob"},
	"AuditEvent.actor_type": {"Type of the actor.\n" +
		"- `User`: a person.\n" +
		"- `Service`: a program.\n" +
		"- `System`: a built-in actor.", "User"},
	"AuditEvent.details":       {"", map[string]string{"digest": exampleDigest, "note": "Approved per ticket SECOPS-12345."}},
	"AuditEvent.id":            {"Id of the event.", "ev-0647a3c2b1d4000001c1f5a9e24b7d"},
	"AuditEvent.occurred_at":   {"", exampleTime},
	"AuditEvent.resource_id":   {"Id of the object.", exampleApprovalID},
	"AuditEvent.resource_type": {"Type of the object.", "approval"},

	"AuthoredChange":         {"One version that changed fields of the subject.", nil},
	"AuthoredChange.at":      {"", exampleTime},
	"AuthoredChange.by":      {"", "terraform"},
	"AuthoredChange.fields":  {"", []string{"common_name", "sans"}},
	"AuthoredChange.seen_by": {"", "bob"},

	"Certificate":                {"A certificate, with its current leaf and its newest job.", nil},
	"Certificate.approval_state": {"", string(api.ApprovalApproved)},
	"Certificate.id":             {"Id of the certificate.", "mc-www"},
	"Certificate.open_job_id":    {"", null},
	"Certificate.renew_at":       {"", "2026-03-06T09:00:00Z"},
	"Certificate.status": {"Status of the certificate.\n" +
		"- `unissued`: there is no leaf, and no request.\n" +
		"- `awaiting_approval`: the newest request waits for a decision.\n" +
		"- `issuing`: a job is `Pending` or `Running`.\n" +
		"- `issued`: there is a leaf, and no open job.\n" +
		"- `expired`: the leaf has ended, and there is no open job.\n" +
		"- `rejected`: there is no leaf, and an approver rejected the newest request.\n" +
		"- `request_expired`: there is no leaf, and the newest request expired.\n" +
		"- `failed`: there is no leaf, and the newest job failed.\n" +
		"- `cancelled`: there is no leaf, and the newest request was cancelled.", string(api.CertificateIssued)},
	"Renewal": {"The next renewal by the scheduler, and what was in its way when the scheduler looked last.", nil},
	"Renewal.blocked_by": {"What is in the way; null if nothing is.\n" +
		"- `person_disabled`: the accountable person is disabled, and there is no successor.\n" +
		"- `profile_disabled`: nothing is signed under the profile.\n" +
		"- `rules`: the profile does not allow the certificate any more.\n" +
		"- `approval_required`: the profile is not gated, and the certificate is not among what may be signed without approval.\n" +
		"- `issuer`: the CA could not sign it, or clients would refuse it.\n" +
		"- `undecidable`: nobody could decide the request.", null},
	"Renewal.detail":         {"", ""},
	"Renewal.due_at":         {"", "2026-03-06T09:00:00Z"},
	"Renewal.since":          {"", null},
	"Certificate.up_to_date": {"Whether the current leaf is what would be signed now, and has not expired. False without a leaf.", nil},

	// Fields that callers write of a certificate.
	"auto_renew":               {"Whether the scheduler renews the certificate before it expires.", nil},
	"common_name":              {"Common name: empty, or one of the `sans`.", exampleSANs[0]},
	"csr_pem":                  {"Exactly one CSR in PEM. It gives the public key. It is returned as it was sent.", exampleCSR},
	"renew_before_seconds":     {"How long before the end of its validity the leaf is renewed, in seconds; null for a third of the validity.", 2592000},
	"Certificate.sans":         {specSANs, nil},
	"CreateCertificateBody":    {"A new certificate.", nil},
	"CreateCertificateBody.id": {"Id of your choice: `mc-` and lower-case letters, digits and hyphens. If left out, the server makes an id.", "mc-www"},

	"CreateCertificateBody.profile_id":  {"Id of the profile. It never changes.", nil},
	"CreateCertificateBody.sans":        {specSANs, nil},
	"PreviewCertificateBody":            {"A certificate as it is to be. With the `id` of a certificate that exists, the body is an edit.", nil},
	"PreviewCertificateBody.id":         {"Id of your choice: `mc-` and lower-case letters, digits and hyphens. With the id of a certificate that exists, the body is an edit.", "mc-www"},
	"PreviewCertificateBody.profile_id": {"Id of the profile. It never changes.", nil},
	"PreviewCertificateBody.sans":       {specSANs, nil},
	"CertificatePreview":                {"Outcome that writing a certificate would have for the caller.", nil},
	"CertificatePreview.outcome": {"Outcome of the call.\n" +
		"- `creates`: a new certificate is stored.\n" +
		"- `none`: the content is stored already.\n" +
		"- `updates`: the certificate is replaced.\n" +
		"- `refused`: nothing is stored; `problem` says why.", "creates"},
	"CertificatePreview.issuance": {"Outcome of the issuance that `?issue=true` requests; `none` without it.\n" +
		"- `none`: nothing is issued.\n" +
		"- `signs`: a worker signs at once.\n" +
		"- `waits`: the request waits until another person approves it.", "waits"},
	"CertificatePreview.problem":        {previewProblem, nil},
	"CertificatePreview.warnings":       {"", []string{}},
	"ProposedNames":                     {"Names of a certificate.", nil},
	"ProposedNames.common_name":         {"", "www.shop.example.com"},
	"ProposedNames.sans":                {"", []string{"www.shop.example.com"}},
	"ReplaceCertificateBody":            {"A certificate as it is to be. An answer may be sent back: what the server sets is ignored, but `id` and `version`.", nil},
	"ReplaceCertificateBody.profile_id": {"Id of the profile. A certificate stays with its profile: another profile is refused.", nil},
	"ReplaceCertificateBody.id":         {"", "mc-www"},
	"ReplaceCertificateBody.sans":       {specSANs, nil},

	"Change":        {"One field that changes.", nil},
	"Change.after":  {"", 31536000},
	"Change.before": {"", 7776000},

	"CurrentLeaf": {"The leaf that a request would replace.", nil},

	"Decision":        {"The decider's remark and safeguard.", nil},
	"Decision.digest": {"Digest that the caller saw. The decision is refused unless the approval has this digest.", nil},

	"EditEffects":                  {"Effects of an edit of a profile on jobs and certificates.", nil},
	"EditEffects.jobs_cancelled":   {"", 1},
	"EditEffects.renewals_blocked": {"", 2},

	"EditPreview": {"Outcome that writing a profile would have for the caller.", nil},
	"EditPreview.outcome": {"Outcome of the call.\n" +
		"- `creates`: a new profile would be stored.\n" +
		"- `none`: the edit equals what is stored.\n" +
		"- `applies`: the edit would apply at once.\n" +
		"- `waits`: the edit would wait for a second person.\n" +
		"- `refused`: the server would refuse the write.", string(api.EditWaits)},
	"EditPreview.previous_approval_id": {"Id of the earlier approval that the edit would follow; null without one.", nil},
	"EditPreview.problem":              {previewProblem, nil},
	"EditPreview.warnings":             {"", []string{"1,000 of 2,400 certificates were checked"}},

	"EditedProfile":         {"A profile after an edit.", nil},
	"EditedProfile.effects": {"Effects of the edit on jobs and certificates. The field is absent if there are none.", nil},

	"Fault":        {"One fault of a request.", nil},
	"Fault.detail": {"", "60 is not from 3600 to 315360000"},

	"Health":        {"The answer to a probe.", nil},
	"Health.status": {"`ok` from `/healthz`, `ready` from `/readyz`.", "ok"},

	"Ignored":       {"A part of a CSR that will not be signed.", nil},
	"Ignored.value": {"", "Example Inc."},
	"Ignored.what":  {"", "organization"},

	"IssuanceContext":                    {"How a request differs from the newest leaf that a human approved. Without such a leaf, everything is new.", nil},
	"IssuanceContext.names_added":        {"", exampleSANs[1:]},
	"IssuanceContext.names_removed":      {"", []string{"old.shop.example.com"}},
	"IssuanceContext.other_certificates": {"Live certificates with one of the names, a name that a wildcard covers, or the same key.", nil},
	"IssuanceContext.request": {"How the request relates to the approved leaf.\n" +
		"- `first`: there is no leaf yet.\n" +
		"- `renewal`: nothing differs but the key.\n" +
		"- `reissue`: something else differs, or no human approved a leaf.", string(api.RequestReissue)},

	"Job":               {"A job that issues one leaf, or ends without one.", nil},
	"Job.attempt":       {"", 0},
	"Job.warnings":      {"", []string{"nobody can decide: no enabled person has the role approver"}},
	"Job.finished_at":   {"", exampleTime},
	"Job.id":            {"Id of the job.", exampleJobID},
	"Job.run_at":        {"", exampleTime},
	"Job.serial_number": {"Serial number of the leaf that the job issued, in lower-case hexadecimal; null without one.", nil},
	"Job.started_at":    {"", exampleTime},
	"Job.cause":         {"", null},
	"Job.error_message": {"", ""},
	"Job.status":        {jobStatuses, string(api.JobCompleted)},
	"Job.type":          {jobTypes, string(api.JobRenewal)},

	"JobSummary":               {"The newest job of a certificate.", nil},
	"JobSummary.id":            {"Id of the job.", exampleJobID},
	"JobSummary.cause":         {"", null},
	"JobSummary.error_message": {"", ""},
	"JobSummary.status":        {jobStatuses, string(api.JobCompleted)},
	"JobSummary.type":          {jobTypes, string(api.JobRenewal)},

	"Key":           {"A public key.", nil},
	"Key.algorithm": {"", api.AlgorithmECDSA},
	"Key.size":      {"", 256},

	"SubjectAttributes":                     {"Constants in the subject of every certificate. Each list is a set of at most 16 values.", nil},
	"SubjectAttributes.country":             {"Country codes of two upper-case letters (C).", []string{"DE"}},
	"SubjectAttributes.locality":            {"Localities (L).", []string{"Berlin"}},
	"SubjectAttributes.organization":        {"Organizations (O).", []string{"Example GmbH"}},
	"SubjectAttributes.organizational_unit": {"Organizational units (OU).", []string{"Platform"}},
	"SubjectAttributes.postal_code":         {"Postal codes.", []string{"10115"}},
	"SubjectAttributes.province":            {"Provinces or states (ST).", []string{"Berlin"}},
	"SubjectAttributes.street_address":      {"Street addresses.", []string{"1 Main Road"}},

	"Eligibility":          {"Who may decide an approval now.", nil},
	"Eligibility.may":      {"", []string{"bob"}},
	"Ineligible":           {"Somebody who may not decide.", nil},
	"Ineligible.principal": {"Handle of the person.", "alice"},
	"Ineligible.why":       {"", "is accountable for the request"},
	"OwnDecision":          {"Whether the caller may decide.", nil},
	"OwnDecision.why":      {"Why the caller may not decide, for people to read; empty if they may.", ""},

	"KeyAlgorithm":           {"A kind of public key that a profile allows.", nil},
	"KeyAlgorithm.algorithm": {"", api.AlgorithmRSA},
	"KeyAlgorithm.min_size":  {"Smallest size of the key in bits. It is required for `RSA` and `ECDSA`, and absent for `Ed25519`.", 2048},

	"Leaf": {"A certificate that was signed.", nil},

	"Me":                {"The caller.", nil},
	"Me.id":             {"", "alice"},
	"Me.key_expires_at": {"", exampleEnd},
	"Me.key_id":         {"", exampleKeyID},

	"OtherCertificates":       {"Other certificates that a decider may want to see.", nil},
	"OtherCertificates.count": {"", 1},
	"OtherCertificates.ids":   {"", []string{"mc-shop"}},

	"PreviousRequest": {"Outcome of an earlier request.", nil},

	"Principal":             {"A person or a service.", nil},
	"Principal.disabled_at": {"", null},
	"Principal.id":          {"", "alice"},

	"Problem":                {"An error (RFC 9457). The members after `errors` belong to single codes.", nil},
	"Problem.cause":          {"Why the request was cancelled: a cause of an approval.", string(api.CauseApprovalWithdrawn)},
	"Problem.detail":         {"", "certificate mc-www has the open job " + exampleJobID + ", which is AwaitingApproval"},
	"Problem.id":             {"", "p-shop"},
	"Problem.note":           {"Remark of the approver who rejected the edit.", nil},
	"Problem.principal":      {"", "vera"},
	"Problem.required_roles": {"", []string{string(api.RoleOperator)}},
	"Problem.state":          {"", string(api.ApprovalApproved)},
	"Problem.status":         {"", 409},
	"Problem.title":          {"", "Job already open"},
	"Problem.type":           {"", api.ProblemTypePrefix + string(api.CodeJobAlreadyOpen)},
	"Problem.used_by_count":  {"", 1},
	"Problem.version":        {"", 3},

	"Profile":                     {"A certificate profile: the rules for what may be signed.", nil},
	"Profile.id":                  {"Id of the profile.", "p-shop"},
	"Profile.pending_approval_id": {pendingEdit, exampleApprovalID},

	"EditedProfile.id":                  {"Id of the profile.", "p-shop"},
	"EditedProfile.pending_approval_id": {pendingEdit, exampleApprovalID},

	// Fields that callers write of a profile.
	"allow_wildcard_names": {"Whether names such as `*.example.com` may be signed, if a pattern that begins with `*` or `**` allows them.", nil},
	"allow_underscores":    {"Whether DNS names may have underscores. Many programs, Java among them, refuse such a host name.", nil},
	"allowed_common_names": {"Patterns of common names that are no `sans`; `*` is any run of characters, dots included, so `*` also allows the names of hosts. Such a name has only ASCII letters, digits, spaces and `-._:@`. " +
		"Only a profile without `serverAuth` may have patterns. With them `sans` may be empty.", []string{}},
	"allowed_dns_names": {"Patterns of the DNS names that may be signed. An empty list allows none. " +
		"`*` as the first label is exactly one label, `**` is one or more labels, and `**` alone is any name.", []string{"**.shop.example.com"}},
	"allowed_ekus":           {"Extended key usages, at least one. Every certificate gets all of them.", []string{"serverAuth"}},
	"allowed_email_domains":  {"Domains of the e-mail addresses that may be signed: the part after `@`. An empty list allows none.", []string{"example.com"}},
	"allowed_ip_ranges":      {"IP addresses that may be signed, as CIDR prefixes. An empty list allows none.", []string{"10.1.0.0/16"}},
	"allowed_key_algorithms": {"Public keys that may be signed, at least one.", nil},
	"allowed_uris": {"Patterns of the URIs that may be signed. An empty list allows none. " +
		"In the path `*` is one segment, and `**` at the end is one or more segments.", []string{"spiffe://example.com/shop/*"}},
	"csr_extras": {"What happens to parts of a CSR that will not be signed and only make the certificate able to do less: " +
		"`list` lists them in `csr_ignored`, `refuse` refuses the CSR.", api.CSRExtrasList},
	"key_usages": {"Key usages of every certificate, without `keyCertSign` and `cRLSign`. " +
		"If null, they follow from the key: `digitalSignature`, and `keyEncipherment` for RSA.", []string{"digitalSignature", "contentCommitment"}},
	"subject_attributes": {"Constants in the subject of every certificate. They are never copied from a CSR.", nil},
	"description":        {"Text for people.", "Certificates of the shop."},
	"enabled":            {"Whether certificates are signed under the profile. While it is false, approved jobs wait.", nil},
	"max_sans":           {"Largest number of `sans` of a certificate.", 100},
	"max_ttl_seconds":    {"Validity of every certificate in seconds, 3600 to 315360000.", 7776000},
	"name":               {"Unique name.", "Shop"},
	"requires_approval":  {"The gate: nothing is signed until a second person has approved that exact request.", nil},

	"CreateProfileBody":     {"A new profile.", nil},
	"CreateProfileBody.id":  {ownProfileID, "p-shop"},
	"PreviewProfileBody":    {"A profile as it is to be. With the `id` of a profile that exists, the body is an edit.", nil},
	"PreviewProfileBody.id": {ownProfileID, "p-shop"},
	"ReplaceProfileBody.id": {"", "p-shop"},
	"ReplaceProfileBody":    {"A profile as it is to be. An answer may be sent back: what the server sets is ignored, but `id` and `version`.", nil},

	"Ref":      {"An object.", nil},
	"Ref.id":   {"", "mc-www"},
	"Ref.type": {"", "certificate"},

	"Rejection": {"A rejected request for one of the names.", nil},

	"Renew":            {"Optional parts of a request for issuance.", nil},
	"Renew.csr_pem":    {"CSR with a new public key. The certificate keeps the CSR once the leaf is issued.", nil},
	"Renew.digest":     {"Digest that the caller saw in a preview. The request is refused if something else would be signed.", nil},
	"Renew.stands_for": {"Handles of authors whose changes the caller takes over, so that they may decide. Only humans send them, with `digest`.", nil},

	"RenewalPreview":          {"Outcome that a renewal would have for the caller.", nil},
	"RenewalPreview.warnings": {"", []string{}},
	"RenewalPreview.context":  {"How the request would differ from the leaf that a human approved last; null without a subject.", nil},
	"RenewalPreview.outcome": {"Outcome of the call.\n" +
		"- `signs`: the leaf would be signed without approval.\n" +
		"- `waits`: the request would wait for a second person.\n" +
		"- `refused`: the server would refuse the request.", string(api.RenewalWaits)},
	"RenewalPreview.problem": {previewProblem, nil},

	"UngatedNames": {"Names and usages that may be signed without approval. Everything else needs a gated profile.", nil},
	"UngatedNames.allowed_dns_names": {"Patterns of DNS names, as in a profile. " +
		"A wildcard name needs a pattern that begins with `*` or `**`.", []string{"*.dev.example.com"}},

	"Withdrawal": {"The caller's remark.", nil},

	// Parameters.
	"?after":          {"", exampleCursor},
	"?expires_before": {"", exampleEnd},
	"?renewal":        {"", "blocked"},
	"?kind":           {approvalKinds, string(api.ApprovalIssuance)},
	"?limit":          {"Largest number of objects in the answer.", 50},
	"?state":          {approvalStates + "\n\nThe parameter may be repeated.", []string{string(api.ApprovalPending)}},
	"?status":         {jobStatuses, string(api.JobAwaitingApproval)},
	"?type":           {jobTypes, string(api.JobRenewal)},
	"?order": {"Order of the list.\n" +
		"- `oldest`: the oldest first.\n" +
		"- `newest`: the newest first.\n" +
		"- `expires_at`: the earliest deadline first.", string(api.ApprovalsOldestFirst)},

	"list-audit-events ?order": {"Order of the list.\n" +
		"- `newest`: the newest first, by time.\n" +
		"- `oldest`: in the order in which the events became visible. Followers read in this order: it misses no event, " +
		"also of a change that was committed late.", string(api.AuditOldestFirst)},
	"list-certificates ?status":   {"", string(api.CertificateAwaitingApproval)},
	"?san":                        {"", exampleSANs[0]},
	"get-approval-summary ?limit": {"Largest number of approvals in the list. The counts have no limit.", nil},
	"get-approval-summary ?state": {approvalStates + "\n\nThe parameter may be repeated. Without it, only pending approvals count.", nil},

	"approvals/{id}":    {"Id of the approval.", exampleApprovalID},
	"certificates/{id}": {"Id of the certificate.", "mc-www"},
	"jobs/{id}":         {"Id of the job.", exampleJobID},
	"principals/{id}":   {"Handle of the principal.", "alice"},
	"profiles/{id}":     {"Id of the profile.", "p-shop"},

	// Headers.
	"ETag:":             {"Version of the object, in quotation marks.", exampleTag},
	"Idempotency-Key:":  {"Key of your choice. For 24 hours, the same request with the same key has its effect once and gets the first answer.", "create-www-1"},
	"If-Match:":         {"`ETag` that the write is based on. The write is refused if the object has changed since.", exampleTag},
	"Link:":             {"The next page, with `rel=\"next\"`. The last page has no such header.", "</api/v1/jobs?after=" + exampleCursor + "&limit=50>; rel=\"next\""},
	"Location:":         {"Path of the object that the request made.", "/api/v1/jobs/" + exampleJobID},
	"Retry-After:":      {"Seconds to wait before the next attempt.", "1"},
	"WWW-Authenticate:": {"Scheme of the credentials.", "Bearer"},

	"list-audit-events Link:": {"The next page, with `rel=\"next\"`. With `order=oldest` every answer has it, also the last one and an empty one. " +
		"With `order=newest` the last page has no such header.", "</api/v1/audit-events?after=" + exampleCursor + "&limit=50&order=oldest>; rel=\"next\""},
	"preview-renewal Idempotency-Key:": {"Ignored: a preview stores nothing.", nil},
	"create-certificate Location:":     {"", "/api/v1/certificates/mc-www"},
	"create-profile Location:":         {"", "/api/v1/profiles/p-shop"},
	"replace-profile Location:":        {"Path of the approval that the edit waits for.", "/api/v1/approvals/" + exampleApprovalID},
}

// describer adds the texts of fields to the document, and records the keys that it used.
type describer struct{ usedKeys map[string]bool }

// describeFields describes every schema, field, parameter and header. It returns the keys of fields that it did not use.
func describeFields(doc *huma.OpenAPI) (unused []string) {
	d := describer{map[string]bool{}}
	for name, schema := range doc.Components.Schemas.Map() {
		schema.Description = d.findText("", name)
		for property, s := range schema.Properties {
			if s.Description != serverFieldText {
				d.describeSchema(s, name+"."+property, property)
			}
		}
	}
	for _, response := range doc.Components.Responses {
		d.describeHeaders(response, "")
	}
	for path, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete} {
			if op != nil {
				d.describeOperation(op, path)
			}
		}
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(fields)), func(key string) bool { return d.usedKeys[key] })
}

func (d describer) describeOperation(op *huma.Operation, path string) {
	for _, p := range op.Parameters {
		key := p.Name + ":"
		switch p.In {
		case "query":
			key = "?" + p.Name
		case "path":
			key = strings.Split(path, "/")[3] + "/{" + p.Name + "}"
		}
		own := op.OperationID + " " + key
		p.Description = d.findText(p.Description, own, key)
		p.Schema.Description = ""
		if p.Schema.Type != huma.TypeBoolean {
			p.Example = d.findExample(own, key, p.Name)
		}
	}
	for _, response := range op.Responses {
		d.describeHeaders(response, op.OperationID)
	}
}

func (d describer) describeHeaders(response *huma.Response, operation string) {
	for name, header := range response.Headers {
		own, key := operation+" "+name+":", name+":"
		header.Description = d.findText(header.Schema.Description, own, key)
		header.Schema.Description = ""
		header.Example = d.findExample(own, key)
	}
}

// describeSchema describes a field. An object has no example: its fields have examples.
func (d describer) describeSchema(s *huma.Schema, keys ...string) {
	s.Description = d.findText(s.Description, keys...)
	if s.Ref != "" || len(s.OneOf) > 0 || s.Items != nil && s.Items.Ref != "" || s.Type == huma.TypeBoolean {
		return
	}
	if value := d.findExample(keys...); value != nil {
		s.Examples = []any{value}
	}
}

// findText returns the text of the first key, or else the doc tag, or else the text of another key.
func (d describer) findText(tag string, keys ...string) string {
	for i, key := range keys {
		if i == 1 && tag != "" {
			return tag
		}
		if f := fields[key]; f.text != "" {
			d.usedKeys[key] = true
			return f.text
		}
	}
	return tag
}

func (d describer) findExample(keys ...string) any {
	for _, key := range keys {
		if f := fields[key]; f.example != nil {
			d.usedKeys[key] = true
			return f.example
		}
	}
	return nil
}

// describeDefaults documents the defaults of the fields that a body may leave out.
func describeDefaults(doc *huma.OpenAPI) {
	schemas := doc.Components.Schemas.Map()
	for body, spec := range map[string]any{
		"CreateProfileBody": api.DefaultProfileSpec(), "ReplaceProfileBody": api.DefaultProfileSpec(), "PreviewProfileBody": api.DefaultProfileSpec(),
		"CreateCertificateBody": api.DefaultCertificateSpec(), "ReplaceCertificateBody": api.DefaultCertificateSpec(), "PreviewCertificateBody": api.DefaultCertificateSpec(),
	} {
		for name, value := range jsonMembers(spec) {
			if !slices.Contains(schemas[body].Required, name) {
				schemas[body].Properties[name].Default = value
			}
		}
	}
}

func jsonMembers(v any) map[string]any {
	var members map[string]any
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	if err != nil {
		panic(fmt.Sprintf("the defaults of a body: %v", err)) // cannot fail: they are plain structs
	}
	return members
}
