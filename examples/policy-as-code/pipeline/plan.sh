#!/usr/bin/env bash
# plan.sh [--apply] [DIRECTORY]
#
# Plans the configuration in DIRECTORY (here, unless given), has the policies judge that plan, and writes what they say and
# what waits for a second person as Markdown: to the file that GITHUB_STEP_SUMMARY names, else to standard output. With
# --apply it applies that very plan, unless it is denied.
#
#   exit code 0   go on; with --apply the plan has been applied
#             1   something could not be done: nothing was judged, or the apply failed
#             2   the policies deny the plan; nothing was applied
#
#   POLICY_DIR    the folder opa/, where the authors of the configuration cannot write (default: ../opa beside this script)
#   PARAMETERS    their parameters (default: $POLICY_DIR/data.json)
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

# Whatever fails, the exit code is 1: 2 is a verdict.
doing="start"
trap 'fail "could not $doing"' ERR

apply=false
if [[ ${1:-} == --apply ]]; then
	apply=true
	shift
fi
[[ $# -le 1 && ${1:-} != -* ]] || fail "usage: plan.sh [--apply] [DIRECTORY]"
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

# The authors of the configuration must not choose the provider's program, nor what is planned: plugins beside it and what
# an earlier init left are not used, and arguments come from this script alone.
[[ ! -e $directory/terraform.d ]] || fail "$directory/terraform.d may hold another provider: remove it"
# shellcheck disable=SC2086 # names of variables
unset ${!TF_CLI_ARGS@}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TF_DATA_DIR=$work/data TF_IN_AUTOMATION=1

# What terraform says is no part of a summary on standard output.
run() {
	doing="$terraform $1"
	"$terraform" -chdir="$directory" "$@" >&2
}
run init -input=false -no-color
run plan -input=false -no-color -out="$work/plan"
doing="show the plan"
"$terraform" -chdir="$directory" show -json "$work/plan" >"$work/plan.json"

# Conftest ends with 1 both when it denies and when it cannot judge: what it wrote tells. Only one result, of policies that
# were there, is a verdict. It runs where no conftest.toml of the authors is, which could bring other policies.
doing="judge the plan with the policies in $policy"
(cd "$work" && conftest test --policy "$policy" --data "$parameters" --namespace certctl --output json plan.json) >"$work/verdict.json" || true
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
	run apply -input=false -no-color "$work/plan"
fi
