/**
 * Which link offers were there before. Each passes once while it holds; of one sender no offer passes that is older
 * than the last one, and no update that is not newer than the last one of its link. Only what is verified may come
 * here, so that a sender fills its own part only.
 *
 * Everything is bounded. Offers of one sender: beyond the limit nothing more of it passes until some have expired.
 * Senders: the one that was quiet for longest is forgotten, and from senders that are not in the table nothing passes
 * that is not newer than what was forgotten. Where senders are admitted slower than `sendersMax` in a minute, which
 * layers/session/Signalling.ts sees to, what is forgotten has expired, and nobody notices.
 */
import { type LinkOffer, offerAgeMaxMillis } from "./linkOffer.ts"

/** Offers of one sender that hold at the same time: a node sends few, as it has one link to each member. */
export const offersPerSenderMax = 64
/** Senders that are remembered, at up to 8 KiB each. */
export const offerSendersMax = 4096

/** `duplicate` was there before, `superseded` is older than what was, and `flood` is one too many of its sender. */
export type ReplayVerdict = "fresh" | "duplicate" | "superseded" | "flood"

type Stamped = Pick<LinkOffer, "from" | "linkId" | "kind" | "timestamp">

interface Seen {
  readonly link: string
  readonly kind: LinkOffer["kind"]
  readonly timestamp: number
}

interface Sender {
  seen: Array<Seen>
  /** The timestamp of its newest offer, also when that has expired. */
  newestOffer: number
  heardMillis: number
}

const textOf = (linkId: Uint8Array): string => Buffer.from(linkId).toString("base64url")

/** What the same sender said before decides. */
const verdictOf = ({ newestOffer, seen }: Sender, one: Seen, perSenderMax: number): ReplayVerdict => {
  const ofLink = seen.filter(({ kind, link }) => kind === one.kind && link === one.link)
  if (ofLink.some(({ timestamp }) => timestamp === one.timestamp)) return "duplicate"
  if (one.kind === "offer" && one.timestamp < newestOffer) return "superseded"
  if (one.kind === "update" && ofLink.some(({ timestamp }) => timestamp > one.timestamp)) return "superseded"
  return seen.length >= perSenderMax ? "flood" : "fresh"
}

export class LinkOfferReplay {
  readonly #perSenderMax: number
  readonly #sendersMax: number
  /** In the order in which they were last heard. */
  readonly #senders = new Map<string, Sender>()
  /** Nothing at or below it passes of senders that are not in the table. */
  #floor = Number.NEGATIVE_INFINITY

  constructor(perSenderMax: number = offersPerSenderMax, sendersMax: number = offerSendersMax) {
    this.#perSenderMax = perSenderMax
    this.#sendersMax = sendersMax
  }

  /** Senders that are remembered. */
  get size(): number {
    return this.#senders.size
  }

  /** Takes an offer whose signature and time were checked, and remembers it when it is fresh. */
  take({ from, kind, linkId, timestamp }: Stamped, nowMillis: number): ReplayVerdict {
    const known = this.#senders.get(from.text)
    if (known === undefined && timestamp <= this.#floor) return "superseded"
    const sender = known ?? { seen: [], newestOffer: Number.NEGATIVE_INFINITY, heardMillis: nowMillis }
    sender.seen = sender.seen.filter((one) => nowMillis - one.timestamp <= offerAgeMaxMillis)
    const one: Seen = { link: textOf(linkId), kind, timestamp }
    const verdict = verdictOf(sender, one, this.#perSenderMax)
    if (verdict !== "fresh") return verdict
    sender.seen.push(one)
    sender.heardMillis = nowMillis
    if (kind === "offer") sender.newestOffer = timestamp
    this.#senders.delete(from.text)
    this.#senders.set(from.text, sender)
    if (this.#senders.size > this.#sendersMax) this.#forgetOne()
    return verdict
  }

  #forgetOne(): void {
    for (const [did, { heardMillis, newestOffer, seen }] of this.#senders) {
      this.#senders.delete(did)
      const newest = Math.max(newestOffer, ...seen.map(({ timestamp }) => timestamp))
      // A stamp from ahead of time may not shut out everybody else.
      this.#floor = Math.max(this.#floor, Math.min(newest, heardMillis))
      return
    }
  }
}
