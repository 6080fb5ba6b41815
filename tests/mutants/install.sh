#!/bin/sh
# Installs cargo-mutants into .local/mutants at the repository's top (never committed). A second run
# sees the stamp and does nothing. `make test` does not need it.
set -eu

version=27.1.0

top=$(cd "$(dirname "$0")/../.." && pwd)
target=$top/.local/mutants

if [ -x "$target/bin/cargo-mutants" ] && [ "$(cat "$target/stamp" 2>/dev/null)" = "$version" ]; then
    exit 0
fi
echo "installing cargo-mutants $version into .local/mutants (some minutes, once)"
rm -rf "$target"
mkdir -p "$target"
# From outside the repository, whose profile and lints are not meant for a tool.
(cd "$target" && CARGO_TARGET_DIR="$target/build" nice -n 19 "${CARGO:-cargo}" install --quiet \
    --locked --version "$version" --root "$target" cargo-mutants) >"$target/install.log" 2>&1 || {
    tail -n 5 "$target/install.log" >&2
    printf 'cargo-mutants cannot be installed\n  hint: %s\n' \
        "the whole story is in .local/mutants/install.log" >&2
    exit 1
}
rm -rf "$target/build"
printf '%s\n' "$version" >"$target/stamp"
