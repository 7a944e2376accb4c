#!/bin/sh
# What the tests use, put there once: packages (as root on Debian), a venv with pytest, vermin and ClusterShell, one with
# Ansible, kernels for notebooks, and a Debian root with the newest Python. What cannot be had is named; its tests then skip and say so.
set -u
cd "$(dirname "$0")/.." || exit 1
packages='openssh-server openssh-client dropbear-bin busybox ksh zsh fish tcsh strace qemu-user-static debootstrap
iproute2 procps rsync git openssh-sftp-server util-linux sudo opendoas gcc libc6-dev btrfs-progs groff-base'
# `provision.sh bench`: what others use for many hosts.
[ "${1-}" != bench ] || packages="$packages pdsh pssh"
# Docker's own packages have it too, and do not go together with Debian's.
command -v dockerd >/dev/null || packages="$packages docker.io"
python3 -c 'import ensurepip' 2>/dev/null || packages="$packages python3-venv"

say() { printf 'provision: %s\n' "$*" >&2; }
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

provide_packages() {
    missing=
    for package in $packages; do installed "$package" || missing="$missing $package"; done
    [ -z "$missing" ] && return
    if [ "$(id -u)" != 0 ]; then say "not root, so not installed:$missing"; return; fi
    # shellcheck disable=SC2086 # a list of words
    apt-get update -q && DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $missing || say "apt-get could not install:$missing"
    # From Debian 13 on.
    apt-cache show sudo-rs >/dev/null 2>&1 && apt-get install -q -y --no-install-recommends sudo-rs
}

provide_venv() {
    target/venv/bin/python -c 'import pytest, pytest_timeout, vermin, ClusterShell, yaml, xdist, nbclient, ipykernel' 2>/dev/null && return
    python3 -m venv target/venv &&
        target/venv/bin/pip install -q pytest pytest-timeout pytest-xdist vermin ClusterShell PyYAML nbclient ipykernel
}

# A notebook's kernel for each Python 3 of pyenv.
provide_kernels() {
    for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python; do
        [ -x "$python" ] || continue
        name=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || continue
        "target/kernels/$name/bin/python" -c 'import ipykernel' 2>/dev/null && continue
        "$python" -m venv "target/kernels/$name" && "target/kernels/$name/bin/pip" install -q --no-compile ipykernel ||
            say "no notebook kernel for Python $name"
    done
}

# ansible-core has no synchronize; where Galaxy does not answer, PyPI's wheel of all collections has it.
provide_ansible() {
    if ! target/ansible/bin/ansible-playbook --version >/dev/null 2>&1; then
        python3 -m venv target/ansible && target/ansible/bin/pip install -q --no-compile ansible-core ||
            { say 'no Ansible: ansible-core cannot be installed'; return; }
    fi
    collections=target/ansible/collections
    [ -d "$collections/ansible_collections/ansible/posix" ] && return
    timeout 60 target/ansible/bin/ansible-galaxy collection install -p "$collections" ansible.posix \
        >target/ansible/galaxy.log 2>&1 && return
    target/ansible/bin/pip download -q --no-deps -d target/ansible/wheel ansible &&
        target/ansible/bin/python - target/ansible/wheel/ansible-*.whl "$collections" <<'EOF' ||
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    wheel.extractall(sys.argv[2], [name for name in wheel.namelist() if name.startswith('ansible_collections/ansible/posix/')])
EOF
        say "no ansible.posix for Ansible's synchronize, see target/ansible/galaxy.log"
    rm -rf target/ansible/wheel
}

mirror() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\).*/\2/p' |
        grep '/debian/*$' | head -n 1
}

# Its programs need its own libc, so the wrapper starts them by its own dynamic loader: no chroot, no root.
provide_newest_python() {
    root=$PWD/target/forky
    [ -x "$root/python3" ] && return
    if [ "$(id -u)" != 0 ]; then say 'no newest Python: debootstrap needs root'; return; fi
    from=$(mirror)
    [ -n "$from" ] || { say 'no newest Python: no Debian mirror in the sources of apt'; return; }
    rm -rf --one-file-system "$root"
    if ! debootstrap --variant=minbase --include=python3 forky "$root" "$from" /usr/share/debootstrap/scripts/sid \
        >target/forky.log 2>&1; then
        say "no newest Python: debootstrap failed, see target/forky.log"; return
    fi
    loader=$(find "$root/usr/lib64" "$root/usr/lib" -maxdepth 1 -name 'ld-linux*' | head -n 1)
    libraries=$(dirname "$(find "$root/usr/lib" -name 'libc.so.6' | head -n 1)")
    python=$(readlink -f "$root/usr/bin/python3")
    printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$loader" "$libraries" "$python" >"$root/python3"
    chmod 755 "$root/python3"
}

mkdir -p target
if command -v dpkg-query >/dev/null; then provide_packages; else say "not Debian; wanted: $packages"; fi
provide_venv || { say 'no venv with pytest'; exit 1; }
# Each waits for the network more than it works.
provide_kernels &
provide_ansible &
if command -v debootstrap >/dev/null; then provide_newest_python & else say 'no newest Python: debootstrap is missing'; fi
wait
exit 0
