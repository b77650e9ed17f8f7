#!/bin/sh
# Installs tidegate on this gateway out of the unpacked tarball: `sudo ./install.sh`. Safe to run again for an update:
# the configuration is never overwritten and the data is not touched.
set -eu
cd "$(dirname "$0")"

install -D -m 755 tidegate /usr/bin/tidegate
install -D -m 644 tidegate.service /etc/systemd/system/tidegate.service
install -D -m 644 -t /usr/share/doc/tidegate README.md LICENSE config.example.toml
install -D -m 644 -t /usr/share/doc/tidegate/docs docs/*.md
if [ ! -e /etc/tidegate/tidegate.toml ]; then
  install -D -m 644 config.example.toml /etc/tidegate/tidegate.toml
fi
systemctl daemon-reload

echo "Edit /etc/tidegate/tidegate.toml, then:"
echo "  tidegate check --config /etc/tidegate/tidegate.toml"
echo "  systemctl enable --now tidegate     (after an update: systemctl restart tidegate)"
