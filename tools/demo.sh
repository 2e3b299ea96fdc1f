#!/bin/sh
# npm run demo: three nodes on this machine find each other, exchange a file, pay each other, and lose and regain one of
# them.
set -eu
cd "$(dirname "$0")/.."
sh tools/install.sh
sh tools/build.sh
PATH="$PWD/node_modules/.bin:$PATH"
exec node tools/demo.ts "$@"
