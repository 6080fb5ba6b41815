#!/bin/sh
# Builds what a deployment needs: the functions, as target/lambda/NAME/bootstrap; the command line;
# and the CDK app. Shows the progress of cargo on a terminal only.
#
# A plain release build runs on provided.al2023 if it needs glibc 2.34 (Amazon Linux 2023) or older;
# `objdump -T` shows the version. Otherwise build with cargo-lambda, and set `-c bootstraps=DIR`.
set -eu

infra=$(cd "$(dirname "$0")" && pwd)
top=${infra%/*}
built=${CARGO_TARGET_DIR:-$top/target}

[ -t 2 ] || set -- --quiet
"${CARGO:-cargo}" build --release "$@" --manifest-path "$top/Cargo.toml" \
    -p poolbridge-capture -p poolbridge-trail -p poolbridge-apply -p poolbridge-sweep \
    -p poolbridge-operator

for function in capture trail apply sweep; do
    bootstrap="$top/target/lambda/$function/bootstrap"
    mkdir -p "${bootstrap%/*}"
    cmp -s "$built/release/$function" "$bootstrap" ||
        cp "$built/release/$function" "$bootstrap"
done

compiled="$infra/dist/bin/poolbridge.js"
if [ -x "$infra/node_modules/.bin/tsc" ] && {
    [ ! -e "$compiled" ] ||
        [ -n "$(find "$infra/bin" "$infra/lib" "$infra/tsconfig.json" -newer "$compiled" -print)" ]
}; then
    (cd "$infra" && node_modules/.bin/tsc)
    # The compiler does not write a file whose content stays the same.
    touch "$compiled"
fi
