#!/bin/sh
# Sets up .venv from requirements.lock, and the programs that the tests start. `make setup` runs it.
#
# Index and certificates are the machine's own: pip's configuration and environment hold for uv too.
set -eu

PYTHON=${PYTHON:-python3}
TOOLS=build/tools

say() { printf '%s\n' "$*" >&2; }

# Prints the Debian packages whose programs are not there.
missing_packages() {
    path="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
    PATH="$path" command -v "$PYTHON" >/dev/null || echo python3
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    PATH="$path" command -v dockerd >/dev/null || echo docker.io
    PATH="$path" command -v busybox >/dev/null || echo busybox-static
    ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || echo postgresql
    command -v strace >/dev/null || echo strace
    command -v ps >/dev/null || echo procps
    command -v chromium >/dev/null || echo chromium fonts-dejavu-core
}

install_packages() {
    packages=$(missing_packages | tr '\n' ' ')
    [ -n "$packages" ] || return 0
    command="apt-get install -y --no-install-recommends $packages"
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        say "These Debian packages are missing. Install them, then run make again:"
        say "    sudo $command"
        exit 1
    fi
    say "Installing $packages"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $command -qq >/dev/null
}

check_python() {
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' && return 0
    say "Python 3.11 or newer is needed, $PYTHON is $("$PYTHON" -V). Name another one:"
    say "    make PYTHON=/path/to/python3.11 setup"
    exit 1
}

install_uv() {
    [ -x "$TOOLS/bin/uv" ] && return 0
    "$PYTHON" -m venv "$TOOLS"
    "$TOOLS/bin/pip" install --quiet --disable-pip-version-check uv
}

# uv reads no pip.conf: tell it which index the machine uses.
take_over_index() {
    index=${PIP_INDEX_URL:-$("$TOOLS/bin/pip" config get global.index-url 2>/dev/null || true)}
    if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
        export UV_DEFAULT_INDEX="$index"
    fi
    if [ -z "${SSL_CERT_FILE:-}" ] && [ -n "${PIP_CERT:-}" ]; then
        export SSL_CERT_FILE="$PIP_CERT"
    fi
}

# Bytecode is compiled once here, or every process of every run would compile it again.
fill_venv() {
    uv="$TOOLS/bin/uv"
    [ -x .venv/bin/python ] || "$uv" venv --quiet --python "$PYTHON" .venv
    VIRTUAL_ENV="$PWD/.venv"
    export VIRTUAL_ENV
    "$uv" pip sync --quiet --compile-bytecode --require-hashes requirements.lock
    "$uv" pip install --quiet --no-deps --editable .
}

install_packages
check_python
install_uv
take_over_index
fill_venv
say "Ready: .venv"
