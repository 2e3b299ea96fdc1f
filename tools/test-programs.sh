#!/bin/sh
# Brings the programs that the system tests talk to: coturn (a real TURN server), promtool (Prometheus' own check),
# hledger (which reads exported ledgers), and, on Linux, iproute2 and nftables for networks of NATs.
# As root on Debian or Ubuntu they are installed or unpacked; elsewhere this says what to install and the tests that
# need them are skipped by name (with CI=true a skip is a failure).
set -eu
cd "$(dirname "$0")/.."
cache=node_modules/.cache/test-programs
PATH="$PWD/$cache:$PATH:/usr/sbin"

missing=""
command -v turnserver >/dev/null 2>&1 || missing="$missing coturn"
command -v promtool >/dev/null 2>&1 || missing="$missing prometheus"
command -v hledger >/dev/null 2>&1 || missing="$missing hledger"
if [ "$(uname)" = Linux ]; then
  command -v ip >/dev/null 2>&1 || missing="$missing iproute2"
  command -v nft >/dev/null 2>&1 || missing="$missing nftables"
fi
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing for the tests:$missing ..." >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >&2
  for package in coturn hledger iproute2 nftables; do
    case "$missing" in
      *$package*) apt-get install -y -qq --no-install-recommends "$package" >&2 ;;
    esac
  done
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
  Debian, Ubuntu:  sudo apt-get install coturn hledger prometheus iproute2 nftables
  macOS:           brew install coturn hledger prometheus
TEXT
fi
