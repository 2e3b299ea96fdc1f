#!/usr/bin/env node
/**
 * The executable. Checks the Node.js version before anything is loaded that an old one cannot read, then hands over to
 * the command line. Keep static imports out of this file.
 */
const nodeMajorMin = 24
const major = Number(process.versions.node.split(".", 1)[0])
if (major < nodeMajorMin) {
  process.stderr.write(
    `icn-node needs Node.js ${nodeMajorMin} or newer, but ${process.version} runs it. ` +
      'In the repository use "npm start", which brings its own.\n'
  )
  process.exit(78)
}
await import("./programs/cli.ts")
