import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { standingsMax } from "../../src/domain/coopRoster.ts"
import { entryBytesMax } from "../../src/domain/ledgerLimits.ts"
import {
  type CoopAnswer,
  coopAnswer,
  type CoopRequest,
  coopRefusals,
  coopRequest,
  joinEntriesBytesMax,
  joinEntriesMax,
  requestBytesMax
} from "../../src/protocol/coop.ts"
import { rosterBytesMax } from "../../src/protocol/coopRoster.ts"
import { frameBytesMax } from "../../src/protocol/frames.ts"
import { hash, keyOfText, rosterBy } from "../fixtures/coops.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"

const coop = hash("coop")
const key = keyOfText("key")
const { body, signature } = rosterBy(1, { key })
const roster = { body, signature }

const requests: ReadonlyArray<CoopRequest> = [
  { _tag: "Join", coop, secret: keyOfText("secret") },
  { _tag: "Pull", coop, epoch: 0, keyId: "" },
  { _tag: "Pull", coop, epoch: 7, keyId: "00".repeat(16) },
  { _tag: "Push", coop, roster, key },
  { _tag: "Leave", coop }
]
const answers: ReadonlyArray<CoopAnswer> = [
  { _tag: "Joined", genesis: roster, entries: [roster, roster], roster, key },
  { _tag: "Roster", roster, key },
  { _tag: "Current" },
  { _tag: "Taken" },
  { _tag: "Left" },
  ...coopRefusals.map((reason) => ({ _tag: "Refused", reason }) as const)
]

describe("questions and answers about a cooperative", () => {
  it("are the same after they were sent", () => {
    for (const request of requests) {
      assert.deepStrictEqual(Result.getOrThrow(coopRequest.decode(coopRequest.encode(request))), request)
    }
    for (const answer of answers) {
      assert.deepStrictEqual(Result.getOrThrow(coopAnswer.decode(coopAnswer.encode(answer))), answer)
    }
  })

  it("fit into their frames in their longest form", () => {
    const standings = Array.from({ length: standingsMax }, (_, index) => hash(`${index}`))
      .toSorted()
      .map((account) => ({ account, turns: 0xffff, epoch: 0xffff_ffff }))
    const longest = rosterBy(1, { key, standings })
    const sealed = { body: longest.body, signature: longest.signature }
    assert.isAtMost(longest.body.length, rosterBytesMax)
    assert.isAtMost(coopRequest.encode({ _tag: "Push", coop, roster: sealed, key }).length, requestBytesMax)
    // One entry more than the budget goes along where the last one crosses it.
    const bytes = joinEntriesBytesMax + entryBytesMax
    const entries = Array.from({ length: joinEntriesMax }, () => ({
      body: new Uint8Array(Math.ceil(bytes / joinEntriesMax)),
      signature
    }))
    const joined = coopAnswer.encode({ _tag: "Joined", genesis: roster, entries, roster: sealed, key })
    assert.isAtMost(joined.length, frameBytesMax)
    assert.isTrue(Result.isSuccess(coopAnswer.decode(joined)))
  })

  it("are refused where they are not of this protocol, without a word of the secrets in them", () => {
    const secret = Buffer.from(keyOfText("secret")).toString("base64url")
    const join = Buffer.from(coopRequest.encode({ _tag: "Join", coop, secret: keyOfText("secret") })).toString()
    const hostile = [
      "",
      "null",
      "[]",
      "{}",
      "[".repeat(5000),
      join.slice(0, -1),
      join.replace("Join", "Enter"),
      join.replace('"}', '","more":1}'),
      join.replace(secret, `${secret}A`),
      join.replace(secret, secret.slice(1)),
      join.replace(secret, `${secret.slice(0, -1)}=`),
      join.replace(coop, coop.toUpperCase()),
      join.replace(coop, coop.slice(2)),
      `{"_tag":"Pull","coop":"${coop}","epoch":-1,"keyId":""}`,
      `{"_tag":"Pull","coop":"${coop}","epoch":4294967296,"keyId":""}`,
      `{"_tag":"Pull","coop":"${coop}","epoch":1.5,"keyId":""}`,
      `{"_tag":"Pull","coop":"${coop}","epoch":1,"keyId":"zz"}`
    ]
    for (const one of hostile) {
      const read = coopRequest.decode(Buffer.from(one))
      assert.isTrue(Result.isFailure(read), one.slice(0, 80))
      if (Result.isFailure(read)) assert.notInclude(read.failure, secret.slice(2, 20))
    }
    assert.isTrue(Result.isFailure(coopRequest.decode(new Uint8Array(requestBytesMax + 1).fill(0x20))))
    assert.isTrue(Result.isFailure(coopRequest.decode(Uint8Array.of(0xff, 0xfe))))
  })

  it("never throw, whatever comes", () => {
    const seed = fuzzSeed()
    const random = makeRandom(seed)
    const valid = [...requests.map(coopRequest.encode), ...answers.map(coopAnswer.encode)]
    for (let round = 0; round < 2000; round++) {
      const one = Uint8Array.from(random.pick(valid))
      for (let change = random.below(4); change >= 0; change--) one[random.below(one.length)] = random.below(256)
      for (const codec of [coopRequest, coopAnswer]) assert.isDefined(codec.decode(one), `seed ${seed}`)
    }
  })
})
