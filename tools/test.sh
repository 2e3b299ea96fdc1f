#!/bin/sh
# npm test: installs what the tests need, builds, and runs the whole suite. Arguments go to vitest.
set -eu
cd "$(dirname "$0")/.."
sh tools/install.sh
sh tools/test-programs.sh
sh tools/build.sh
PATH="$PWD/node_modules/.bin:$PWD/node_modules/.cache/test-programs:$PATH:/usr/sbin"
export PATH
exec vitest run "$@"
