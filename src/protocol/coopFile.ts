/**
 * The text of `cooperative.json`: keys, rosters and invitations of the cooperatives that a node serves or served. It
 * holds secrets. Reading is strict, since only this program writes the file.
 */
import { Result, Schema } from "effect"
import { groupKeyBytes, groupKeyId, groupKeysMax } from "../domain/coopGroupKey.ts"
import { inviteUsesMax } from "../domain/coopInvite.ts"
import { invitationsMax } from "../domain/coopInvitations.ts"
import { epochMax, type SealedRoster } from "../domain/coopRoster.ts"
import { type CoopState, coopsMax } from "../domain/coopState.ts"
import { signatureLength } from "../domain/ed25519.ts"
import { base64url, hexText } from "./coop.ts"
import { decodeRoster, rosterBytesMax } from "./coopRoster.ts"

/** Sixteen cooperatives with everything at its limit take about 15 MB. */
export const coopFileBytesMax = 16 * 1024 * 1024

const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
const Epoch = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: epochMax }))

const Key = Schema.Struct({ epoch: Epoch, key: base64url(groupKeyBytes, groupKeyBytes) })
const Invited = Schema.Struct({
  secretHash: hexText(32),
  expiresAt: Millis,
  uses: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: inviteUsesMax })),
  epoch: Epoch,
  joined: Schema.Array(hexText(32)).check(Schema.isMaxLength(inviteUsesMax))
})
const Coop = Schema.Struct({
  coop: hexText(32),
  roster: Schema.NullOr(
    Schema.Struct({ body: base64url(0, rosterBytesMax), signature: base64url(signatureLength, signatureLength) })
  ),
  keys: Schema.Array(Key).check(Schema.isMaxLength(groupKeysMax)),
  invitations: Schema.Array(Invited).check(Schema.isMaxLength(2 * invitationsMax + 1)),
  left: Schema.Boolean
})
const Document = Schema.fromJsonString(
  Schema.Struct({ version: Schema.Literal(1), cooperatives: Schema.Array(Coop).check(Schema.isMaxLength(coopsMax)) })
)

const decodeDocument = Schema.decodeResult(Document, { onExcessProperty: "error" })
const encodeDocument = Schema.encodeSync(Document)

export const encodeCoopFile = (states: ReadonlyArray<CoopState>): string => {
  const text = encodeDocument({
    version: 1,
    cooperatives: states.map(({ coop, invitations, keys, left, roster }) => ({
      coop,
      roster: roster === undefined ? null : { body: roster.body, signature: roster.signature },
      keys: keys.map(({ epoch, key }) => ({ epoch, key })),
      invitations: invitations.map(({ expiresAtMillis, ...invitation }) => ({
        ...invitation,
        expiresAt: expiresAtMillis
      })),
      left
    }))
  })
  return `${text}\n`
}

const readRoster = (sealed: (typeof Coop.Type)["roster"]): Result.Result<SealedRoster | undefined, string> =>
  sealed === null
    ? Result.succeed(undefined)
    : Result.map(decodeRoster(sealed.body), (roster) => ({ ...sealed, roster }))

const readCoop = ({ invitations, keys, roster, ...rest }: typeof Coop.Type): Result.Result<CoopState, string> =>
  Result.flatMap(readRoster(roster), (roster) => {
    const state: CoopState = {
      ...rest,
      roster,
      keys: keys.map(({ epoch, key }) => ({ id: groupKeyId(key), epoch, key })),
      invitations: invitations.map(({ expiresAt, ...invitation }) => ({ ...invitation, expiresAtMillis: expiresAt }))
    }
    if (roster !== undefined && roster.roster.coop !== state.coop) return Result.fail("a roster of another cooperative")
    return roster === undefined || state.keys[0]?.id === roster.roster.keyId
      ? Result.succeed(state)
      : Result.fail("the key of a roster is missing")
  })

/** What the file says; the failure is a sentence that says what is wrong with it, and holds nothing of its content. */
export const decodeCoopFile = (text: string): Result.Result<ReadonlyArray<CoopState>, string> => {
  const document = decodeDocument(text)
  // The words of the schema would quote what they found, which may be a key.
  if (Result.isFailure(document)) return Result.fail("it is not what this version of icn-node writes")
  return Result.all(document.success.cooperatives.map(readCoop))
}
