#!/bin/sh
# Installs the programs of the local stack into .local/ at the repository's top (never committed).
# If the stamps are current, it does nothing and prints nothing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
target=$(cd "$here/../.." && pwd)/.local

fail() {
    printf 'the local stack cannot be installed: %s\n  hint: %s\n' "$1" "$2" >&2
    exit 1
}

# A stamp holds the inputs of an installation. It is written last, so that an interrupted
# installation starts again from nothing. The folder is part of it, because scripts of a virtual
# environment hold their own path and do not survive a move.
stamp_of() {
    { printf '%s\n' "$target" "$@"; } && cat "$here/$1"
}
stamped() { # name, wanted stamp, a file that must be there
    [ -e "$target/$3" ] && [ "$(cat "$target/$1.stamp" 2>/dev/null)" = "$2" ]
}

command -v git >/dev/null ||
    fail "git is missing" "install git (on Debian and Ubuntu: apt-get install git)"
command -v python3 >/dev/null ||
    fail "python3 is missing" \
        "install Python 3.11 or newer (on Debian and Ubuntu: apt-get install python3 python3-venv)"
command -v node >/dev/null || fail "node is missing" "install Node.js 20 or newer"
command -v npm >/dev/null || fail "npm is missing" "install npm, which comes with Node.js"

python_version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case $python_version in
3.1[1-9] | 3.[2-9][0-9] | [4-9].*) ;;
*) fail "python3 is version $python_version" "the pinned packages need Python 3.11 or newer" ;;
esac
node_major=$(node -p 'process.versions.node.split(".")[0]')
[ "$node_major" -ge 20 ] || fail "node is version $node_major" "install Node.js 20 or newer"

mkdir -p "$target"

wanted=$(stamp_of requirements.txt "$python_version")
if ! stamped python "$wanted" python/bin/python; then
    python3 -c 'import venv, ensurepip' 2>/dev/null ||
        fail "python3 cannot make virtual environments (venv or ensurepip is missing)" \
            "on Debian and Ubuntu: apt-get install python3-venv"
    echo "installing ministack and microburst into .local/python"
    rm -rf "$target/python" "$target/python.stamp"
    python3 -m venv "$target/python" >"$target/python.log" 2>&1 &&
        "$target/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
            --requirement "$here/requirements.txt" >>"$target/python.log" 2>&1 || {
        tail -n 5 "$target/python.log" >&2
        fail "the Python packages did not install" "the whole story is in .local/python.log"
    }
    printf '%s\n' "$wanted" >"$target/python.stamp"
fi

wanted=$(stamp_of package-lock.json "$node_major")
if ! stamped node "$wanted" node/node_modules/cognito-local; then
    echo "installing cognito-local into .local/node"
    rm -rf "$target/node" "$target/node.stamp"
    mkdir -p "$target/node"
    cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$target/node/"
    # None of these packages needs its install script, and without scripts no foreign code runs
    # here.
    (cd "$target/node" && npm ci --ignore-scripts --loglevel=error) >"$target/node.log" 2>&1 || {
        tail -n 5 "$target/node.log" >&2
        fail "the Node.js packages did not install" "the whole story is in .local/node.log"
    }
    printf '%s\n' "$wanted" >"$target/node.stamp"
fi
