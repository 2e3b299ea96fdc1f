/** When a link checks its paths and what it makes of silence: all its times in one place, in milliseconds. */

export const defaultLinkTimings = {
  /** Between any two checks (Ta of RFC 8445 section 14.2). */
  paceMillis: 50,
  /** The wait for an answer before a check is repeated: this at least, or what the round trips so far tell. */
  rtoMinMillis: 250,
  rtoMaxMillis: 1000,
  /** Sends to a path that never answers before it counts as failed: within 4 s, long enough for both to punch. */
  sendsPerCycle: 5,
  /** Sends when a failed path is tried again. */
  sendsPerRetry: 2,
  /** Between two checks of a path that the peer's request has made urgent. */
  triggerSpacingMillis: 100,

  /** The active path is asked this often, from 80 to 120 % (RFC 7675 section 5.1 asks for 80 to 120 % of 5 s). */
  consentMillis: 1000,
  /** Silent for so long and for three sends, the active path is lost. */
  activeLostMillis: 1300,
  /** So long on paths with the slowest round trips. */
  activeLostMaxMillis: 3000,
  /** What the last send is given at least. */
  graceMillis: 200,
  /** The network said twice that nothing gets there, and silence said so for this long. */
  unreachableLostMillis: 500,
  /** Other paths are asked this often, from 100 to 125 %: well below the 30 s that a NAT keeps a mapping. */
  standbyMillis: 4000,
  /** How slow repetitions on such a path become. */
  standbyResendMaxMillis: 2000,
  /** Without an answer for so long such a path has no consent any more (RFC 7675 allows 30 s). */
  standbyLostMillis: 15_000,

  /** A failed path is tried again after so long, doubling, while there is another one. */
  retryMinMillis: 10_000,
  retryMaxMillis: 30_000,
  /** And after so long while there is none. */
  searchMillis: 2000,
  /** Without any path for so long since the peer's candidates are known the link counts as failed. */
  failedMillis: 10_000,

  /** A better path must have had consent for so long, and two answers, before it is used. */
  upgradeMillis: 1000,
  /** Only for so long while no path was lost lately, as when a link begins over the relay and punches through. */
  calmUpgradeMillis: 250,
  /** It must have answered so recently. */
  upgradeFreshMillis: 1200,
  /** A path of the same kind that is faster is used no sooner after the last change. */
  fasterMillis: 10_000,
  /** A path that was lost in use rests for so long before it is used again by choice, doubling with each loss. */
  holdMinMillis: 2000,
  holdMaxMillis: 60_000,
  /** In use for so long without a loss, its former losses are forgotten. */
  holdForgetMillis: 60_000,
  /** The controlled side follows the other's choice no later than so long after a loss of its own. */
  followMaxMillis: 10_000,
  /** A nomination that was replaced is not believed again for so long: it may just have taken the slower way. */
  nominationLagMillis: 1000,
  /** Losses of the active path, whichever it was, slow every choice down for so long. */
  restlessMillis: 60_000
} as const

export type LinkTimings = { readonly [K in keyof typeof defaultLinkTimings]: number }
