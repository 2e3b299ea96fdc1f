/**
 * Which of two connections to one member stays, so that both sides say the same about them without asking each
 * other. Where both sides dialled at once, the connection that the smaller DID dialled stays. Where one side dials
 * although the other still has a connection, the one who dials has lost it, and the new one stays; or it dials over
 * two ways at once, and then the other one answers.
 */

/** Who dialled a connection, as seen from one end. */
export type Dialler = "self" | "peer"

/**
 * `replace`: the present connection is closed first; `refuse`: the new one is; `probe`: refuse if the present one
 * answers, and replace it otherwise.
 */
export type Settlement = "replace" | "refuse" | "probe"

/** What becomes of a new connection while there is one already. */
export const settle = (selfIsSmaller: boolean, present: Dialler, incoming: Dialler): Settlement => {
  if (incoming === "self") {
    // A node dials only where it knows of no live connection, so one that the peer dialled came up in the meantime.
    return present === "peer" && selfIsSmaller ? "replace" : "refuse"
  }
  // The peer may have lost its first (it was restarted, say), or tried two addresses at once, of which it keeps one.
  if (present === "peer") return "probe"
  // The smaller one's dial stays, unless the peer has lost it and therefore dials.
  return selfIsSmaller ? "probe" : "replace"
}

/** The order of members: by the bytes of their keys' canonical text, which both sides spell alike. */
export const isSmaller = (self: string, peer: string): boolean => self < peer
