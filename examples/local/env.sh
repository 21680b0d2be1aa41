# Sourced in your shell, after up.sh:
#   . ./env.sh                     for example.org
#   . ./env.sh partner.example     for another trust domain
#
# With it spire-server and spire-agent find their sockets without -socketPath, and spiffe-helper finds the agent.
. "${SPIFFE_EXAMPLE_DIR:-${XDG_RUNTIME_DIR:-/tmp}/spiffe-example}/${1:-example.org}/env"
