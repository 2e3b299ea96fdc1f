#!/bin/sh
# Installs the locked dependencies, the pinned Node.js among them, when they are missing or older than the lock file.
# `npm ci` writes node_modules/.package-lock.json last, so an installation that was cut off is noticed and repeated.
set -eu
cd "$(dirname "$0")/.."

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "Installing dependencies (once; about a minute) ..." >&2
  npm ci --ignore-scripts >&2
  touch node_modules/.package-lock.json
fi
