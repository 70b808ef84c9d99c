# Sourced by the scripts beside it: where things are, and how a step is shown.
# shellcheck shell=bash disable=SC2034
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# Tools of this checkout come first: they have the pinned versions.
export PATH="$root/.tools/bin:$PATH"
target_dir=${CARGO_TARGET_DIR:-$root/target}
# The viewer is compiled by another toolchain; a directory of its own keeps the two from rebuilding each other's work.
wasm_target_dir=$target_dir/wasm
sharer_bin=$target_dir/release/sharer
log_dir=$target_dir/log
mkdir -p "$log_dir"

if [[ -t 2 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
  bold='' dim='' red='' green='' plain=''
fi

say() { printf '%s\n' "$*" >&2; }
die() { printf '%s%s%s\n' "$red" "$*" "$plain" >&2; exit 1; }

# duration SECONDS: 7 s, 1 min 05 s
duration() {
  if (($1 < 60)); then printf '%d s' "$1"; else printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); fi
}

# Whatever ends a script ends what it has started, compilers of compilers included.
stop_tree() {
  local child
  for child in $(pgrep -P "$1"); do stop_tree "$child"; done
  kill "$1" 2>/dev/null || true
}
# Of this shell's jobs those that run: the number of one that has ended may be somebody else's by now.
trap 'for pid in $(jobs -pr); do stop_tree "$pid"; done' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# script NAME [ARGS]...: runs another script as part of this one (with depth empty: as if by itself). In the
# background, because a shell that waits for a command in the foreground hears no signal.
script() {
  SHARER_SCRIPT_DEPTH=${depth-1} "$root/scripts/$1" "${@:2}" <&0 &
  wait "$!"
}

# plan TITLE [STEP|FIRST TIME|LATER]...: what is about to happen, and how long it takes.
# A script run by another one is part of the caller's plan and says nothing.
plan() {
  [[ -z ${SHARER_SCRIPT_DEPTH:-} ]] || return 0
  local line name first later
  say "$bold$1$plain"
  shift
  for line; do
    IFS='|' read -r name first later <<<"$line"
    printf '  %-46s %s%s the first time, then %s%s\n' "$name" "$dim" "$first" "$later" "$plain" >&2
  done
  say "${dim}Logs: ${log_dir#"$root"/}/. Times are for two cores.$plain"
}

# step NAME COMMAND [ARGS]...: runs the command; one line with its duration. Its output goes to a log,
# which is shown whole if it fails; with CI or SHARER_VERBOSE set it is shown as it comes.
step() {
  local name=$1 log began status=0 pid shown CPU cpu_before took
  shift
  cpu
  cpu_before=$CPU
  log=$log_dir/$(tr -cs 'a-zA-Z0-9' '-' <<<"$name" | sed 's/-$//').log
  began=$SECONDS
  if [[ -n ${CI:-}${SHARER_VERBOSE:-} ]]; then
    say "$bold- $name$plain"
    # In the background as well: `set -e` is off inside whatever stands left of `||`.
    SHARER_SCRIPT_DEPTH=1 "$@" > >(tee "$log" >&2) 2>&1 </dev/null &
    pid=$!
    wait "$pid" || status=$?
  else
    SHARER_SCRIPT_DEPTH=1 "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    shown=0
    while [[ -n $(jobs -pr) ]]; do
      if [[ -t 2 ]]; then
        printf '\r\e[K  %s %s%s  %s%s' "$name" "$dim" "$(duration $((SECONDS - began)))" "$(last_line "$log")" "$plain" >&2
      elif ((SECONDS - began >= shown + 60)); then
        shown=$((SECONDS - began))
        say "  ... $name: $(duration "$shown") $(last_line "$log")"
      fi
      sleep 0.2
    done
    wait "$pid" || status=$?
    [[ ! -t 2 ]] || printf '\r\e[K' >&2
  fi
  if ((status)); then
    [[ -n ${CI:-}${SHARER_VERBOSE:-} ]] || cat "$log" >&2
    die "failed: $name, after $(duration $((SECONDS - began))) (status $status, log ${log#"$root"/})"
  fi
  took=$(duration $((SECONDS - began)))
  cpu
  # On a machine that does other things as well, the processor's time is the one to compare.
  ((SECONDS - began < 10)) || took+=", $(duration $((CPU - cpu_before))) of CPU"
  printf '%s✓%s %-46s %s%s%s\n' "$green" "$plain" "$name" "$dim" "$took" "$plain" >&2
}

# cpu: sets CPU to the seconds that all commands waited for so far have used. A subshell would start at nothing.
cpu() {
  times >"$log_dir/.times"
  CPU=$(tail -n 1 "$log_dir/.times" | tr 'ms' '  ' | awk '{ printf "%d", $1 * 60 + $2 + $3 * 60 + $4 }')
}

# last_line FILE: its last printed line, without control characters, cut to fit behind a step's name.
last_line() {
  tail -c 2000 "$1" 2>/dev/null | tr '\r' '\n' | sed 's/\x1b\[[0-9;?]*[a-zA-Z]//g' | tr -d '\000-\010\013-\037' |
    grep -v '^[[:space:]]*$' | tail -n 1 | cut -c 1-60 || true
}

# wasm_env COMMAND...: runs a command with the toolchain that compiles to wasm.
wasm_env() {
  local toolchain
  toolchain=$("$root/scripts/wasm-toolchain")
  if [[ -n $toolchain ]]; then export RUSTUP_TOOLCHAIN=$toolchain; fi
  # By toolchain: cargo takes two of the same version for one, whatever std they have.
  CARGO_TARGET_DIR=$wasm_target_dir/${toolchain:-own} "$@"
}

# whole_viewer DIR: says what is missing from a built viewer, and fails then.
whole_viewer() {
  local file
  [[ -s $1/index.html ]] || { echo "$1/index.html is missing or empty: the viewer was not built"; return 1; }
  for file in "$1"/*_bg.wasm; do
    # A wasm-opt that was stopped leaves an empty file, which Trunk takes.
    [[ -s $file ]] || { echo "$file is missing or empty: the viewer was not built whole"; return 1; }
  done
}

# has_viewer BINARY: whether it does not say that its viewer is missing.
has_viewer() {
  local version
  version=$("$1" --version) && [[ $version != *"no viewer"* ]]
}

# install_hint: the last line of every script.
install_hint() {
  [[ -z ${SHARER_SCRIPT_DEPTH:-} ]] || return 0
  say "To have \`sharer\` in your PATH: ./scripts/install [--prefix DIR]"
}
