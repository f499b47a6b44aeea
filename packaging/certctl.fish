# Completion of certctl in fish.
/usr/bin/certctl completion fish | source
