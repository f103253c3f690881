# Sourced by docker/setup and docker/lab: where things are, how to speak to the person, which container engine.
# shellcheck shell=bash
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=$ROOT/.cache
# shellcheck disable=SC2034 # used by docker/setup, which sources this file
BASE_IMAGE=docker.io/library/debian:sid-slim

say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# The engine that setup chose; setup writes the file, everybody else reads it.
use_engine() {
    [[ -s $CACHE/engine ]] || die "no container engine chosen yet: run 'make setup' first"
    ENGINE=$(<"$CACHE/engine")
    [[ $ENGINE == podman ]] && export CONTAINERS_CONF=$ROOT/docker/containers.conf
    return 0
}

# A tag that changes with what the image is made of: there is no :latest to be stale.
image_tag() { # image_tag asterisk|service
    local -a inputs=("$ROOT/docker/$1")
    [[ $1 == service ]] && inputs+=("$ROOT/pyproject.toml" "$ROOT/src/oddzwon")
    local sum
    sum=$(cd "$ROOT" && find "${inputs[@]#"$ROOT"/}" -type f -not -name '*.pyc' -not -path '*/.mypy_cache/*' -print0 | sort -z |
        xargs -0 sha256sum | sha256sum | cut -c1-12)
    printf 'localhost/oddzwon-%s:%s\n' "$1" "$sum"
}
