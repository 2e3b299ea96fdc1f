/**
 * Limits of file transfers, each with its reason.
 */

/** A file that is received unless its receiver says otherwise: what an ordinary disk has room for. */
export const defaultBytesMax = 16 * 1024 ** 3
/** Bytes of a file in one frame: large enough to keep a fast path busy, small enough to move on a slow one. */
export const chunkBytes = 131_072
/** Files that one member may be sending to this node at a time. */
export const incomingPerMemberMax = 4
/** Files that this node receives at a time, each with one frame in memory and one open file. */
export const incomingMax = 16
/** Files that this node sends at a time. */
export const outgoingMax = 16
/** Unfinished files that are kept in a directory; the oldest goes first. */
export const partsMax = 32
/** Transfers of one content that write at the same time into one directory. */
export const partNumberMax = 9
/** What stays free on the disk, so that receiving files never stops the rest of the machine. */
export const freeBytesMin = 64 * 1024 ** 2
/** Files of one name in a directory; whoever has more has another problem. */
export const numberedNamesMax = 10_000

/** How long the other side may take for one step of a transfer; a chunk then needs about 1 KiB/s. */
export const stallMillisMax = 120_000
/** A side that computes for long says so this often. */
export const workingMillis = 10_000
/** How often it may say so in one transfer: hashing a terabyte takes about an hour. */
export const workingMax = 1000
/** How long a receiver waits for an offer after the stream was opened. */
export const offerMillisMax = 30_000
/** How long both sides wait for the other one's end once everything is said. */
export const farewellMillisMax = 5000
/** How long a transfer waits for an earlier try of itself to let go of the unfinished file: longer than a farewell. */
export const releaseMillisMax = 10_000
/** Least time between two reports of progress. */
export const progressMillis = 200
/** Stored files whose senders may ask again whether they are: several tries of all that were under way. */
export const completedMax = 256
