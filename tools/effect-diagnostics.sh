#!/bin/sh
# Effect's own type-aware diagnostics: floating effects, missing services, outdated API. It stays out of the lock file
# because its binaries exist for fewer platforms than ours; where there is none, this says so and checks nothing.
set -eu
cd "$(dirname "$0")/.."
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) ;;
  *) echo "check:effect: no diagnostics binary for this platform; skipped" >&2; exit 0 ;;
esac
exec npm exec --yes --package=@effect/tsgo@0.45.0 -- effect-tsgo diagnostics --project tsconfig.json --strict --format text
