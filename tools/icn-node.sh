#!/bin/sh
# Runs the command line from the repository: installs and builds when needed, then becomes the program, so that signals
# reach it and nothing stays behind. `npm start` is `run` by this way.
set -eu
cd "$(dirname "$0")/.."
sh tools/install.sh
sh tools/build.sh
PATH="$PWD/node_modules/.bin:$PATH"
exec node dist/main.js "$@"
