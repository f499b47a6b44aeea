#!/bin/sh
# Stops the server before the package is removed, not before an upgrade. Debian gives the argument "remove", RPM "0".
set -e

case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl stop certctl.service
		systemctl disable certctl.service || true # fails if the unit is masked
	fi
	;;
esac
