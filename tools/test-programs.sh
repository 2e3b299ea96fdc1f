#!/bin/sh
# Brings the programs that the system tests talk to: coturn (a real TURN server) and promtool (Prometheus' own check).
# As root on Debian or Ubuntu they are installed or unpacked; elsewhere this says what to install and the tests that
# need them are skipped by name (with CI=true a skip is a failure).
set -eu
cd "$(dirname "$0")/.."
cache=node_modules/.cache/test-programs
PATH="$PWD/$cache:$PATH:/usr/sbin"

missing=""
command -v turnserver >/dev/null 2>&1 || missing="$missing coturn"
command -v promtool >/dev/null 2>&1 || missing="$missing prometheus"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing for the tests:$missing ..." >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >&2
  case "$missing" in
    *coturn*) apt-get install -y -qq --no-install-recommends coturn >&2 ;;
  esac
  case "$missing" in
    *prometheus*)
      # Only promtool is wanted: unpacking the package starts no Prometheus service on this machine.
      work=$(mktemp -d)
      (cd "$work" && apt-get download -qq prometheus >&2 && dpkg-deb -x prometheus_*.deb tree)
      mkdir -p "$cache"
      cp "$work/tree/usr/bin/promtool" "$cache/promtool"
      rm -rf "$work"
      ;;
  esac
else
  cat >&2 <<TEXT
Not found:$missing. The tests that need them will be skipped. To run them all:
  Debian, Ubuntu:  sudo apt-get install coturn prometheus
  macOS:           brew install coturn prometheus
TEXT
fi
