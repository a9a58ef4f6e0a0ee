#!/bin/sh
# Makes the root of a container from Debian packages and this code: deploy/container.sh FOLDER
#
# As root, from a clone of the code, with debootstrap, git and the Python of that Debian. Then:
#   podman build --file deploy/Containerfile --tag onward FOLDER
set -eu

folder=${1:?Usage: deploy/container.sh FOLDER}
suite=${DEBIAN_SUITE:-bookworm}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
code=$(cd "$(dirname "$0")/.." && pwd)
root=$folder/root
user=10001

fail() { echo "$1" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "Run this as root: the root of a container belongs to root."
[ ! -e "$root" ] || fail "$root is there already."
for program in debootstrap git python3 tar; do
  command -v "$program" >/dev/null || fail "$program is missing: apt-get install $program"
done

mkdir -p "$root"
debootstrap --variant=minbase \
  --include=ca-certificates,postgresql-client,python3,python3-venv "$suite" "$root" "$mirror"

# The code as it is committed, and its packages by their hashes.
mkdir -p "$root/opt/onward"
git -C "$code" archive HEAD | tar -x -C "$root/opt/onward"
version='import sys; print("%d.%d" % sys.version_info[:2])'
[ "$(python3 -c "$version")" = "$(chroot "$root" python3 -c "$version")" ] ||
  fail "Run this on Debian $suite: packages are built by its version of Python."
python3 -m venv "$folder/builder"
"$folder/builder/bin/pip" wheel --quiet --require-hashes \
  --requirement "$root/opt/onward/requirements.txt" --wheel-dir "$root/wheels"
chroot "$root" python3 -m venv /opt/onward/.venv
chroot "$root" sh -c '/opt/onward/.venv/bin/pip install --quiet --no-index --no-deps /wheels/*.whl'
chroot "$root" /opt/onward/.venv/bin/python -m compileall -q /opt/onward

# One user without a password owns the instance, and nothing else.
echo "onward:x:$user:" >>"$root/etc/group"
echo "onward:x:$user:$user::/srv/onward:/usr/sbin/nologin" >>"$root/etc/passwd"
install -d -m 0700 -o "$user" -g "$user" "$root/srv/onward"
rm -rf "$root/wheels" "$root/var/cache/apt/archives"/*.deb "$root/var/lib/apt/lists"/* "$folder/builder"
tar --numeric-owner -C "$root" -cf "$folder/root.tar" .
echo "Made $folder/root.tar"
