#!/usr/bin/env bash
# Prepares a plain Debian 12 or 13 on x86_64 to build for ARM, without docker and without rustup's targets.
#
#   cross/toolchain.sh aarch64-unknown-linux-gnu DIR
#
# DIR gets Debian's Rust 1.85 with the ARM standard library, unpacked beside the system and not installed; compilers for C
# and libllvm are installed by package. Prints the environment that `cargo build --target` then needs (see the Makefile).
set -euo pipefail

target=$1
mkdir -p "$2"
directory=$(cd "$2" && pwd)
version='1.85.0+dfsg3-1~deb12u3'

case $target in
  aarch64-unknown-linux-gnu) architecture=arm64 gnu=aarch64-linux-gnu ;;
  armv7-unknown-linux-gnueabihf) architecture=armhf gnu=arm-linux-gnueabihf ;;
  *) echo "cross/toolchain.sh: no such target: $target (aarch64-unknown-linux-gnu, armv7-unknown-linux-gnueabihf)" >&2; exit 2 ;;
esac

if [ ! -d "$directory/root/usr/lib/rustlib/$target" ]; then
  echo "installing: libllvm19 gcc-$gnu g++-$gnu qemu-user-static; unpacking Rust $version for $target into $directory" >&2
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends libllvm19 "gcc-$gnu" "g++-$gnu" qemu-user-static >/dev/null
  # Lists of the foreign architecture are kept apart, so that the system's own package lists stay as they are.
  state="$directory/apt-$architecture"
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
  touch "$state/status"
  foreign=(-o "APT::Architecture=$architecture" -o "APT::Architectures::=$architecture" -o "Dir::State::lists=$state/lists"
    -o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache")
  (
    cd "$directory"
    # The security archive may lack the architecture; the main one is enough.
    apt-get "${foreign[@]}" update -qq || true
    apt-get "${foreign[@]}" download -qq "libstd-rust-web-dev=$version"
    apt-get download -qq "rustc-web=$version" "libstd-rust-web-1.85=$version" "libstd-rust-web-dev=$version"
    for package in *.deb; do dpkg -x "$package" root; done
    rm -f ./*.deb
  )
  printf '#!/bin/sh\nexport LD_LIBRARY_PATH=%s/root/usr/lib:%s/root/usr/lib/x86_64-linux-gnu\nexec %s/root/usr/bin/rustc "$@"\n' \
    "$directory" "$directory" "$directory" >"$directory/rustc"
  chmod +x "$directory/rustc"
fi

lower=${target//-/_}
upper=${lower^^}
cat <<ENVIRONMENT
export RUSTC=$directory/rustc
export HOST_CC=gcc HOST_CXX=g++ CC=$gnu-gcc CXX=$gnu-g++
export CC_$lower=$gnu-gcc CXX_$lower=$gnu-g++ AR_$lower=$gnu-ar
export CARGO_TARGET_${upper}_LINKER=$gnu-gcc
export STRIP=$gnu-strip
ENVIRONMENT
