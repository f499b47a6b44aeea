#!/bin/sh
# Makes the server's user and data directory. After an upgrade, restarts the server if it runs. Debian and RPM.
set -e

data=/var/lib/certctl

if ! getent passwd certctl >/dev/null; then
	useradd --system --user-group --home-dir "$data" --no-create-home --shell /usr/sbin/nologin certctl
fi
# The unit would make it too. Commands before the first start need it.
if ! [ -e "$data" ]; then
	install -d -m 0700 -o certctl -g certctl "$data"
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart certctl.service || echo 'certctl did not start again: see journalctl -u certctl' >&2
fi
