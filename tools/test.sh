#!/bin/sh
# npm test: installs what the tests need, builds, and runs the whole suite. Arguments go to vitest.
set -eu
cd "$(dirname "$0")/.."
sh tools/install.sh
sh tools/test-programs.sh
sh tools/build.sh
PATH="$PWD/node_modules/.bin:$PWD/node_modules/.cache/test-programs:$PATH:/usr/sbin"
export PATH
# Threads and processes of the tests load the same modules hundreds of times; compiled once, they start in a third.
NODE_COMPILE_CACHE="$PWD/node_modules/.cache/compile"
export NODE_COMPILE_CACHE
exec vitest run "$@"
