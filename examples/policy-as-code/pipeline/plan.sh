#!/usr/bin/env bash
# plan.sh [--apply] [-var-file=FILE]... [-backend-config=FILE|NAME=VALUE]... [-lock-timeout=DURATION] [DIRECTORY]
#
# Plans the configuration in DIRECTORY (default: the current one), checks the plan with the policies, and writes a Markdown
# summary with the denials and the pending approvals: to the file that GITHUB_STEP_SUMMARY names, else to standard output.
# With --apply it applies exactly that plan, unless it is denied.
#
# terraform gets the options that begin with one -. It gets no others, because -target, for example, would hide a part of the
# configuration. A FILE is relative to DIRECTORY.
#
#   exit code 0   the plan may be applied; with --apply it has been applied
#             1   a step failed: no plan was checked, or the apply failed
#             2   the policies deny the plan; nothing was applied
#
#   POLICY_DIR    the folder opa/, where the authors of the configuration cannot write (default: ../opa beside this script)
#   PARAMETERS    the parameters of the policies (default: $POLICY_DIR/data.json)
#   ROOT_MODULE   the name of the configuration, as the parameter root_modules_with_reading has it (default: none)
#   TERRAFORM     terraform (default) or tofu
#
# Needs terraform or tofu, conftest and jq.
set -Eeuo pipefail

say() { echo "plan.sh: $*" >&2; }
fail() {
	say "$*"
	exit 1
}

absolute() { [[ $1 == /* ]] && echo "$1" || echo "$PWD/$1"; }

# If any step fails, the exit code is 1: 2 means denied.
doing="start"
trap 'fail "could not $doing"' ERR

usage() { fail "usage: plan.sh [--apply] [-var-file=FILE]... [-backend-config=FILE|NAME=VALUE]... [-lock-timeout=DURATION] [DIRECTORY]"; }

apply=false
init_options=()
plan_options=()
lock_options=()
while [[ ${1:-} == -* ]]; do
	case $1 in
	--apply) apply=true ;;
	-backend-config=?*) init_options+=("$1") ;;
	-var-file=?*) plan_options+=("$1") ;;
	-lock-timeout=?*) lock_options=("$1") ;;
	*) usage ;;
	esac
	shift
done
[[ $# -le 1 ]] || usage
directory=${1:-.}
here=$(unset CDPATH && cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
policy=$(absolute "${POLICY_DIR:-$here/../opa}")
parameters=$(absolute "${PARAMETERS:-$policy/data.json}")
terraform=${TERRAFORM:-terraform}

for command in "$terraform" conftest jq; do
	command -v "$command" >/dev/null || fail "$command is missing"
done
[[ -d $directory ]] || fail "$directory is no directory"
[[ -f $parameters ]] || fail "$parameters is missing: set POLICY_DIR or PARAMETERS"

# The authors of the configuration must choose neither the provider's program nor the target of the plan. So plugins beside the
# configuration and files of an earlier init are not used, and all arguments come from this script.
[[ ! -e $directory/terraform.d ]] || fail "$directory/terraform.d may hold another provider: remove it"
# shellcheck disable=SC2086 # names of variables
unset ${!TF_CLI_ARGS@}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TF_DATA_DIR=$work/data TF_IN_AUTOMATION=1

# The output of terraform is no part of a summary on standard output.
run() {
	doing="$terraform $1"
	"$terraform" -chdir="$directory" "$@" >&2
}
run init -input=false -no-color ${init_options[@]+"${init_options[@]}"} ${lock_options[@]+"${lock_options[@]}"}
run plan -input=false -no-color -out="$work/plan" ${plan_options[@]+"${plan_options[@]}"} ${lock_options[@]+"${lock_options[@]}"}
doing="show the plan"
"$terraform" -chdir="$directory" show -json "$work/plan" >"$work/plan.json"

doing="name the root module"
jq -n '{certctl: ($ENV.ROOT_MODULE // "" | if . == "" then {} else {root_module: .} end)}' >"$work/root_module.json"

# Conftest ends with 1 if it denies and if it fails, so its output decides. Exactly one result, of policies that exist, is a
# verdict. Conftest runs in a directory without a conftest.toml of the authors, which could add other policies.
doing="judge the plan with the policies in $policy"
(cd "$work" && conftest test --policy "$policy" --data "$parameters" --data root_module.json --namespace certctl --output json plan.json) >"$work/verdict.json" || true
verdict=$(jq -rs 'if length == 1 and (.[0] | length) == 1 then .[0][0] else error("no verdict") end
	| if .namespace != "certctl" then error("another verdict")
	  elif (.failures | length) > 0 then "denied"
	  elif .successes > 0 then "go on"
	  else error("no policies") end' "$work/verdict.json")

doing="write the summary"
[[ -z ${GITHUB_STEP_SUMMARY:-} ]] || exec >>"$GITHUB_STEP_SUMMARY"
jq -r -n -f "$here/summary.jq" --slurpfile verdict "$work/verdict.json" --slurpfile plan "$work/plan.json" \
	--slurpfile parameters "$parameters"

if [[ $verdict != "go on" ]]; then
	jq -r '.[0].failures[] | "plan.sh: denied: " + .msg' "$work/verdict.json" >&2
	exit 2
fi
if $apply; then
	run apply -input=false -no-color ${lock_options[@]+"${lock_options[@]}"} "$work/plan"
fi
