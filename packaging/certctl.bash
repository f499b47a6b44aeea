# Completion of certctl in bash.
source <(/usr/bin/certctl completion bash)
