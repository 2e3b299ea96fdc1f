/**
 * The version of this node, as the command line, the status and the metrics tell it. A constant rather than a read of
 * package.json, so that it is the same in `src`, in `dist` and in a bundle; a test keeps the two equal.
 */

/** Semantic version of the package. */
export const version = "0.1.0"
