#!/bin/sh
# The data, the CA's key and the user stay, also after a purge: no one can make them again.
set -e

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
case "$1" in
purge | 0)
	if [ -e /var/lib/certctl ]; then
		echo 'The data of certctl, with the key of its CA, is still in /var/lib/certctl.'
	fi
	;;
esac
