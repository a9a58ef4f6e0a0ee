#!/bin/sh
# What the tests need beside Python packages: Chromium, zbarimg, oathtool, libfaketime, PostgreSQL,
# and on Linux OpenSMTPD.
set -eu

have() { command -v "$1" >/dev/null 2>&1; }
faketime() { ls /usr/lib/*/faketime/libfaketimeMT.so.1 /opt/homebrew/lib/faketime/libfaketime.1.dylib /usr/local/lib/faketime/libfaketime.1.dylib 2>/dev/null | grep -q .; }
postgres() { have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
chromium() { have chromium || [ -n "${CHROMIUM:-}" ] || .venv/bin/python -m tests.browser.chromium >/dev/null 2>&1; }

missing=""
have zbarimg || missing="$missing zbar-tools"
have oathtool || missing="$missing oathtool"
[ "$(uname)" = Darwin ] || have smtpd || [ -x /usr/sbin/smtpd ] || missing="$missing opensmtpd"
faketime || missing="$missing faketime"
postgres || missing="$missing postgresql"
chromium || missing="$missing chromium"
[ -z "$missing" ] && exit 0

root=""
[ "$(id -u)" = 0 ] || root="sudo"
if have apt-get && { [ -z "$root" ] || have sudo; }; then
  echo "Installing for the tests:$missing"
  $root apt-get update -qq
  # shellcheck disable=SC2086 # a list of package names
  DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $missing >/dev/null
  exit 0
fi
case "$missing" in *chromium*) .venv/bin/python -m playwright install chromium ;; esac
have zbarimg && have oathtool && faketime && postgres && exit 0
echo "The tests also need zbarimg, oathtool, libfaketime and PostgreSQL. On macOS:" >&2
echo "  brew install zbar oath-toolkit libfaketime postgresql@16" >&2
exit 1
