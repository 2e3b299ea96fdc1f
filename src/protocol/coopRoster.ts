/**
 * The bytes of a roster (domain/coopRoster.ts): RFC 8949 in its deterministic form (section 4.2.1), as entries of the
 * ledger are,
 *
 *     [1, coop, epoch, key id, steward, [[account, turns, epoch], …]]
 *
 * and an Ed25519 signature of the steward over them with a tag of its own. Decoding refuses every other encoding.
 */
import { decode, encode } from "cborg"
import { Result } from "effect"
import { groupKeyIdBytes } from "../domain/coopGroupKey.ts"
import { type CoopRoster, epochMax, type SealedRoster, type Standing, standingsMax } from "../domain/coopRoster.ts"
import { type DomainTag, frame, VerificationKey } from "../domain/ed25519.ts"
import { hex, strictCbor } from "./cborParts.ts"

export const rosterTag = "icn-node/coop-roster/v1" satisfies DomainTag
/** The longest roster has 45 bytes for each standing. */
export const rosterBytesMax = 65_536

const version = 1
const idBytes = 32
/** Turns of one member: each takes a steward's signature. */
const turnsMax = 0xffff

const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))

export const encodeRoster = ({ coop, epoch, keyId, standings, steward }: CoopRoster): Uint8Array =>
  encode([
    version,
    fromHex(coop),
    epoch,
    fromHex(keyId),
    fromHex(steward),
    standings.map(({ account, epoch, turns }) => [fromHex(account), turns, epoch])
  ])

const integer = (value: unknown, maximum: number): number | undefined =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= maximum ? value : undefined

const readStanding = (value: unknown): Standing | undefined => {
  if (!Array.isArray(value) || value.length !== 3) return undefined
  const account = hex(value[0], idBytes)
  const turns = integer(value[1], turnsMax)
  const epoch = integer(value[2], epochMax)
  return account === undefined || turns === undefined || epoch === undefined ? undefined : { account, turns, epoch }
}

const readStandings = (value: unknown): ReadonlyArray<Standing> | undefined => {
  if (!Array.isArray(value) || value.length > standingsMax) return undefined
  const standings: Array<Standing> = []
  for (const item of value) {
    const standing = readStanding(item)
    const before = standings.at(-1)
    if (standing === undefined || (before !== undefined && before.account >= standing.account)) return undefined
    standings.push(standing)
  }
  return standings
}

const read = (value: unknown): CoopRoster | undefined => {
  if (!Array.isArray(value) || value.length !== 6 || value[0] !== version) return undefined
  const coop = hex(value[1], idBytes)
  const epoch = integer(value[2], epochMax)
  const keyId = hex(value[3], groupKeyIdBytes)
  const steward = hex(value[4], idBytes)
  const standings = readStandings(value[5])
  if (coop === undefined || epoch === undefined || keyId === undefined) return undefined
  return steward === undefined || standings === undefined ? undefined : { coop, epoch, keyId, steward, standings }
}

/** Reads a roster, strictly: what it returns, encoded again, gives these bytes. */
export const decodeRoster = (body: Uint8Array): Result.Result<CoopRoster, string> => {
  if (body.length > rosterBytesMax) return Result.fail(`a roster of ${body.length} bytes is too long`)
  try {
    const roster = read(decode(body, strictCbor))
    if (roster === undefined) return Result.fail("it is no roster of this version")
    return Buffer.from(encodeRoster(roster)).equals(body) ? Result.succeed(roster) : Result.fail("it is not canonical")
  } catch {
    // The decoder throws at anything that is not CBOR of these types; there is nothing to learn from its words.
    return Result.fail("it is no CBOR")
  }
}

/**
 * Reads a roster of a cooperative and checks that one of its stewards signed it; the failure says what is wrong. The
 * account that a roster names as its steward has to be one of `stewards`.
 */
export const openRoster = (
  body: Uint8Array,
  signature: Uint8Array,
  { coop, stewards }: { readonly coop: string; readonly stewards: ReadonlyArray<string> }
): Result.Result<SealedRoster, string> =>
  Result.flatMap(decodeRoster(body), (roster) => {
    if (roster.coop !== coop) return Result.fail("it is of another cooperative")
    if (!stewards.includes(roster.steward)) return Result.fail("who signed it is no steward")
    const key = VerificationKey.fromBytes(fromHex(roster.steward))
    const isSigned = Result.isSuccess(key) && key.success.verify(frame(rosterTag, body), signature)
    return isSigned ? Result.succeed({ roster, body, signature }) : Result.fail("its signature is wrong")
  })
