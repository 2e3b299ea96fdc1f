#!/bin/sh
# Compiles src/ to dist/ when a source is newer than the last complete build.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"

stamp=dist/.complete
if [ -e "$stamp" ] && [ -z "$(find src package.json tsconfig.json tsconfig.build.json -newer "$stamp" | head -n 1)" ]; then
  exit 0
fi
echo "Building ..." >&2
rm -rf dist
tsc -p tsconfig.build.json
chmod +x dist/main.js
touch "$stamp"
