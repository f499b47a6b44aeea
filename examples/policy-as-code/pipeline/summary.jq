# The summary that plan.sh writes: the verdict, the pending approvals, and the commands that decide them.

# Text of other people is shown as text: never as Markdown, a link or HTML.
def text: tostring | explode | map([.] | implode | if test("[[:cntrl:]&<>|\\\\`*_\\[\\]#~@$!:]") then "&#\(explode[0]);" else . end) | join("");
def hours: . / 3600 | floor | if . < 1 then "less than an hour" elif . == 1 then "1 hour" else "\(.) hours" end;
def what: if .kind == "profile_edit" then "edit of the profile" else "\(.certificate_id) (\(.common_name))" end;
def bullets($heading): map("- " + (.msg | text)) | if . == [] then . else ["### " + $heading, ""] + . + [""] end;

# The readings of servers that the parameters name. Other servers are denied, and nobody should run commands for them.
def readings:
  [recurse(.child_modules[]?) | .resources[]? | select(.mode == "data" and .type == "certctl_pending_approvals") | .values]
  | map(select(.endpoint | IN($parameters[0].certctl.parameters.endpoints[]?)));

# The approvals of all readings, each once, the oldest first. An approval with an invalid id is left out.
def approvals:
  [.[] | .endpoint as $endpoint | .approvals[]? | select(.id | test("^[A-Za-z0-9._-]+$")) | . + {endpoint: $endpoint}]
  | unique_by([.endpoint, .id]) | sort_by(.created_at);

def row: [.id, what, .profile_name, .requested_by, (.age_seconds | hours)] | "| " + (map(text) | join(" | ")) + " |";

def commands:
  "\(.endpoint)/api/v1/approvals/\(.id)" as $approval
  | "", "curl \($approval) -H \"Authorization: Bearer $APPROVER_API_KEY\"",
    "curl -X POST \($approval)/approve -H \"Authorization: Bearer $APPROVER_API_KEY\" # or .../reject";

$verdict[0][0] as $verdict
| ($verdict.failures // []) as $denied
| ($plan[0].prior_state.values.root_module // {} | readings) as $readings
| ($readings | approvals) as $approvals
| ($readings | map({endpoint, total_count}) | unique | map(.total_count) | add // 0) as $total
| ["## certctl: the plan \(if $denied == [] then "may go on" else "is denied" end)", ""]
+ ($denied | bullets("Denied"))
+ ($verdict.warnings // [] | bullets("Once it is applied"))
+ if $approvals == [] then ["Approvals that await a second person: \($total)"] else
    ["### Approvals that await a second person: \($total)", "", "| approval | what | profile | asked by | for |", "|---|---|---|---|---|"]
    + ($approvals | map(row))
    + ["", "Look at each, then decide:", "", "```shell"] + ([$approvals[] | commands] | .[1:]) + ["```"]
  end
| .[]
