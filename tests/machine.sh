#!/bin/sh
# What the tests need beside Python packages: Chromium, zbarimg, oathtool, libfaketime, PostgreSQL,
# Node with an OpenID provider, nginx, Caddy, and on Linux OpenSMTPD.
set -eu

have() { command -v "$1" >/dev/null 2>&1; }
faketime() { ls /usr/lib/*/faketime/libfaketimeMT.so.1 /opt/homebrew/lib/faketime/libfaketime.1.dylib /usr/local/lib/faketime/libfaketime.1.dylib 2>/dev/null | grep -q .; }
postgres() { have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
provider() { # the one that tests sign in at; npm writes the second file when all is in place
  cd tests/sso
  [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent
}
chromium() { have chromium || [ -n "${CHROMIUM:-}" ] || .venv/bin/python -m tests.browser.chromium >/dev/null 2>&1; }

missing=""
have zbarimg || missing="$missing zbar-tools"
have oathtool || missing="$missing oathtool"
[ "$(uname)" = Darwin ] || have smtpd || [ -x /usr/sbin/smtpd ] || missing="$missing opensmtpd"
faketime || missing="$missing faketime"
postgres || missing="$missing postgresql"
chromium || missing="$missing chromium"
have node || missing="$missing nodejs"
have npm || missing="$missing npm"
have nginx || [ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
have caddy || missing="$missing caddy"
if [ -z "$missing" ]; then provider; exit 0; fi

root=""
[ "$(id -u)" = 0 ] || root="sudo"
if have apt-get && { [ -z "$root" ] || have sudo; }; then
  echo "Installing for the tests:$missing"
  $root apt-get update -qq
  # shellcheck disable=SC2086 # a list of package names
  DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $missing >/dev/null
  provider
  exit 0
fi
case "$missing" in *chromium*) .venv/bin/python -m playwright install chromium ;; esac
if have zbarimg && have oathtool && faketime && postgres && have npm && have nginx && have caddy; then provider; exit 0; fi
echo "The tests also need zbarimg, oathtool, libfaketime, PostgreSQL, Node, nginx and Caddy. On macOS:" >&2
echo "  brew install zbar oath-toolkit libfaketime postgresql@16 node nginx caddy" >&2
exit 1
