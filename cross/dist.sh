#!/usr/bin/env bash
# Builds the release tarball for one target into dist/: binary (stripped), unit, example configuration, documents, checksum.
#
#   cross/dist.sh x86_64-unknown-linux-gnu
set -euo pipefail
cd "$(dirname "$0")/.."

target=$1
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
limit_bytes=$((12 * 1024 * 1024))
STRIP=strip

if [ "$target" = x86_64-unknown-linux-gnu ] && [ "$(uname -m)" = x86_64 ]; then
  # The binary that the tests ran: the same profile, no second build.
  cargo build --release --locked --bin tidegate
  binary=target/release/tidegate
else
  environment=$(cross/toolchain.sh "$target" target/cross)
  eval "$environment"
  # A directory of its own: the compiler is another one, and neither build then waits for the other's lock.
  cargo build --release --locked --bin tidegate --target "$target" --target-dir target/cross
  binary=target/cross/$target/release/tidegate
fi

name=tidegate-$version-$target
stage=target/dist/$name
rm -rf "$stage"
mkdir -p "$stage/docs" dist
"$STRIP" -o "$stage/tidegate" "$binary"
cp systemd/tidegate.service config.example.toml README.md LICENSE cross/install.sh "$stage/"
cp docs/*.md "$stage/docs/"
tar -C target/dist --owner=0 --group=0 -cJf "dist/$name.tar.xz" "$name"
(cd dist && sha256sum "$name.tar.xz" >"$name.tar.xz.sha256")

bytes=$(stat -c %s "dist/$name.tar.xz")
echo "dist/$name.tar.xz: $bytes bytes"
if [ "$bytes" -gt "$limit_bytes" ]; then
  echo "cross/dist.sh: larger than $limit_bytes bytes" >&2
  exit 1
fi
