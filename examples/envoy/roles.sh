# Sourced by run.sh: who there is, and the configurations of their Envoys.

FRONTEND_PORT=${FRONTEND_PORT:-3001}
FRONTEND_2_PORT=${FRONTEND_2_PORT:-3003}
BACKEND_PORT=${BACKEND_PORT:-9001}
APP_PORT=${APP_PORT:-8080}
OPA_PORT=${OPA_PORT:-8182}

# The role "partner" is the frontend of the other trust domain.
domain_of() { if [[ $1 == partner ]]; then echo partner.example; else echo example.org; fi; }
id_of() { echo "spiffe://$(domain_of "$1")/ns/default/sa/default/${1/partner/frontend}"; }
port_of() {
    case $1 in
        frontend) echo "$FRONTEND_PORT" ;;
        frontend-2 | partner) echo "$FRONTEND_2_PORT" ;;
        backend) echo "$BACKEND_PORT" ;;
    esac
}

# set_variant VARIANT SOURCE: sets both, `roles` and `domains`.
set_variant() {
    variant=$1 source=$2
    roles=(backend frontend frontend-2) domains=(example.org)
    case $variant in
        via-*) source=$variant ;;
        federated) source=via-spire-sds ;;&
        federated-files) source=via-helper-sds ;;&
        federated*) roles=(backend frontend partner) domains+=(partner.example) ;;
    esac
    [[ -f $here/$variant/README.md && -f $here/$source/trust.yaml ]]
}

# The file of this name for this role: the variant's, else the source's, else ours; nothing if there is none.
fragment() {
    local directory
    for directory in "$here/$variant/$ROLE" "$here/$variant" "$here/$source" "$here"; do
        if [[ -f $directory/$1 ]]; then cat "$directory/$1"; return; fi
    done
}

# Replaces lines "# include FILE", here and in what comes in so, and indents what comes in as far as they are.
include() {
    local line
    while IFS= read -r line; do
        if [[ $line =~ ^(\ *)#\ include\ (.+)$ ]]; then
            fragment "${BASH_REMATCH[2]}" | include | sed "s/^/${BASH_REMATCH[1]}/"
        else
            printf '%s\n' "$line"
        fi
    done
}

# configuration ROLE: of its Envoy.
configuration() {
    local ROLE=$1 ID PORT AGENT_SOCKET template=frontend.yaml line name
    ID=$(id_of "$ROLE")
    PORT=$(port_of "$ROLE")
    AGENT_SOCKET=$base/$(domain_of "$ROLE")/agent.sock
    [[ $ROLE != backend ]] || template=backend.yaml
    include <"$here/$template" | while IFS= read -r line; do
        for name in ROLE ID PORT BACKEND_PORT APP_PORT OPA_PORT AGENT_SOCKET; do
            line=${line//"\${$name}"/"${!name}"}
        done
        printf '%s\n' "$line"
    done
}
