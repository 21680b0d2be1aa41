# For your shell: `spire-server COMMAND…` in the server's pod. Whoever may do this can register any identity.
spire-server() {
    kubectl --namespace spire exec --stdin spire-server-0 -- /opt/spire/bin/spire-server "$@"
}
