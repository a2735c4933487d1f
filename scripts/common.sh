#!/usr/bin/env bash
# What the other scripts share: steps that name themselves, and finding or installing what they need.
# Sourced, never run by itself.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null # nothing here asks a question

script=scripts/$(basename "$0")
# Everything shares one target folder, the crates outside the workspace too.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
if [ "${CI:-}" = true ]; then
    export CARGO_INCREMENTAL=0 # a machine that builds once gains nothing from it
fi

# step NAME COMMAND...: announces the step and runs it; a failure is reported under that name.
step() {
    current=$1
    shift
    printf '\n== [%4ds] %s\n' "$SECONDS" "$current"
    "$@"
}

current='the start'
report() {
    local status=$?
    if [ "$status" -ne 0 ]; then
        printf '\n%s: FAILED in step "%s" after %d s\n' "$script" "$current" "$SECONDS" >&2
    fi
}
trap report EXIT

packages=()
components=()

# need PACKAGES PROGRAM...: any one of the programs will do; without one, the Debian packages are wanted.
need() {
    local wanted=$1 program
    shift
    for program in "$@"; do
        if type -P "$program" >/dev/null; then # a file: `kill` is also a word of the shell's own
            return
        fi
    done
    packages+=("$wanted")
}

# A toolchain; its own version check says whether it is new enough.
need_rust() {
    if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH=$HOME/.cargo/bin:$PATH # a shell without login does not know rustup's folder
    fi
    if ! command -v cargo >/dev/null; then
        trap - EXIT
        printf '%s: Rust is missing; https://rustup.rs installs it.\n' "$script" >&2
        exit 1
    fi
}

# need_component COMPONENT SUBCOMMAND: a part of the toolchain that a minimal installation leaves out.
need_component() {
    if ! cargo "$2" --version >/dev/null 2>&1; then
        components+=("$1")
    fi
}

# Installs what `need` and `need_component` found missing, as root; for everybody else prints the one
# command that does so, and stops.
install_needed() {
    local sudo='' commands=() line
    if [ "$EUID" -ne 0 ]; then
        sudo='sudo '
    fi
    if [ "${#packages[@]}" -gt 0 ]; then
        commands+=("${sudo}apt-get update")
        commands+=("${sudo}apt-get install -y --no-install-recommends ${packages[*]}")
    fi
    if [ "${#components[@]}" -gt 0 ]; then
        commands+=("rustup component add ${components[*]}")
    fi
    if [ "${#commands[@]}" -eq 0 ]; then
        return
    fi
    if [ "$EUID" -eq 0 ] && command -v apt-get >/dev/null; then
        for line in "${commands[@]}"; do
            # shellcheck disable=SC2086 # written above, word by word
            step "$line" env DEBIAN_FRONTEND=noninteractive $line
        done
        packages=()
        components=()
        return
    fi
    trap - EXIT
    printf '%s: something is missing. On Debian or Ubuntu, this installs it:\n\n    %s' "$script" "${commands[0]}" >&2
    for line in "${commands[@]:1}"; do
        printf ' && %s' "$line" >&2
    done
    printf '\n\nElsewhere, install what these packages hold. Then run %s again.\n' "$script" >&2
    exit 1
}
