import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as SessionMemory from "../../../src/layers/SessionMemory.ts"
import { coop } from "../../../src/programs/cli/coop.ts"
import { parseInvite } from "../../../src/protocol/coopInvite.ts"
import { documents, runCommand } from "../../fixtures/commands.ts"
import { didNumber } from "../../fixtures/dids.ts"
import { localNode } from "../../fixtures/localNodes.ts"
import { temporaryDirectory } from "../../fixtures/temporaryDirectory.ts"

interface At {
  readonly dataDir: string
}

const at = ({ dataDir }: At, ...args: ReadonlyArray<string>) => runCommand(coop, [...args, "--data-dir", dataDir])

const textOf = (ran: Effect.Success<ReturnType<typeof at>>): string => ran.lines.join("\n")

const document = Effect.fnUntraced(function* (node: At, ...args: ReadonlyArray<string>) {
  const ran = yield* at(node, ...args, "--json")
  assert.lengthOf(ran.lines, 1, ran.failure?.message)
  const [one] = documents(ran)
  return { one, exitCode: ran.failure?.exitCode ?? 0 }
})

const inviteOf = Effect.fnUntraced(function* (node: At, ...args: ReadonlyArray<string>) {
  const { one } = yield* document(node, "invite", ...args)
  if (typeof one !== "object" || one === null || !("invite" in one)) throw new Error("no invitation")
  return String(one.invite)
})

const two = Effect.gen(function* () {
  const network = yield* SessionMemory.makeNetwork()
  return [yield* localNode(network), yield* localNode(network)] as const
})

describe("icn-node coop", () => {
  it.live("founds a cooperative, lets another node in, and shows who belongs to it on both", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      assert.match(textOf(yield* at(a, "members")), /serves no cooperative yet/)
      assert.deepStrictEqual((yield* document(a, "members")).one, [])
      const founded = yield* at(a, "create", "Bakery", "--starting-limit", "20.5")
      assert.match(textOf(founded), /^founded Bakery\nid [0-9a-f]{64}\ncurrency hours, starting limit 20\.50\n/)
      const joined = yield* at(b, "join", yield* inviteOf(a))
      assert.match(textOf(joined), /^joined Bakery\nid [0-9a-f]{64}\ncurrencies hours$/)
      for (const node of [a, b]) {
        const { one } = yield* document(node, "members")
        if (!Array.isArray(one)) return assert.fail("no list")
        assert.deepStrictEqual(
          one.map(({ did, excluded, steward }) => ({ did, excluded, steward })),
          [
            { did: a.did.text, steward: true, excluded: false },
            { did: b.did.text, steward: false, excluded: false }
          ]
        )
        for (const { since } of one) assert.match(String(since), /^\d{4}-\d\d-\d\dT/)
        const text = textOf(yield* at(node, "members"))
        assert.match(text, /^Bakery \([0-9a-f]{64}\)\n/)
        assert.include(text, `${a.did.text}\n  steward since`)
        assert.include(text, `${b.did.text}\n  member since`)
      }
    })
  )

  it.live("shuts a member out, lets it in again, and lets it leave", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      yield* at(b, "join", yield* inviteOf(a))
      assert.match(textOf(yield* at(a, "exclude", b.did.text)), /^excluded did:key:/)
      assert.include(textOf(yield* at(a, "members")), `${b.did.text}\n  excluded, member since`)
      const again = yield* document(b, "join", yield* inviteOf(a))
      assert.deepInclude(again.one, { ok: true })
      assert.deepInclude((yield* document(b, "leave")).one, { ok: true })
      assert.include(textOf(yield* at(a, "members")), `${b.did.text}\n  excluded, member since`)
    })
  )

  it.live("founds with currencies of one's own", () =>
    Effect.gen(function* () {
      const a = yield* localNode(yield* SessionMemory.makeNetwork())
      const { one } = yield* document(a, "create", "X", "--currency", "EUR:0:7", "--currency", "hours")
      assert.deepInclude(one, {
        name: "X",
        stewards: [a.did.text],
        currencies: [
          { symbol: "EUR", decimals: 0, startingLimit: 7 },
          { symbol: "hours", decimals: 2, startingLimit: 10_000 }
        ]
      })
    })
  )

  it.live("makes invitations for several and for a time", () =>
    Effect.gen(function* () {
      const a = yield* localNode(yield* SessionMemory.makeNetwork())
      const ran = yield* at(a, "invite", "--uses", "3", "--ttl", "12h")
      const [text = ""] = textOf(ran).split("\n")
      const invite = parseInvite(text)
      if (invite._tag === "Failure") return assert.fail(invite.failure)
      assert.strictEqual(invite.success.inviter.text, a.did.text)
      assert.isAbove(invite.success.addresses.length, 0)
      assert.match(textOf(ran), /good for 3 members until \d{4}-/)
      assert.notInclude(textOf(ran), "bootstrap peer")
      const { one } = yield* document(a, "invite")
      assert.deepInclude(one, { uses: 1 })
    })
  )

  it.live("says what is wrong, once and for scripts as a document", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      const text = yield* inviteOf(a)
      const failures: ReadonlyArray<readonly [At, ReadonlyArray<string>, RegExp]> = [
        [b, ["join", "hello"], /no invitation/],
        [b, ["join", text.slice(0, 80)], /end of the invitation is missing/],
        [a, ["join", text], /made by this node/],
        [b, ["leave"], /serves no cooperative/],
        [a, ["leave"], /is a steward/],
        [a, ["exclude", didNumber(9).text], /not a member/],
        [a, ["create", "x".repeat(65)], /more than 64 bytes/],
        [a, ["create", "X", "--starting-limit", "1.234"], /--starting-limit.*too exact/],
        [a, ["create", "X", "--currency", "EUR:9"], /0 to 6 decimals/],
        [a, ["create", "X", "--currency", "EUR:2:-1"], /--currency EUR:2:-1/],
        [a, ["create", "X", "--currency", "EUR", "--starting-limit", "1"], /--starting-limit is for/],
        [a, ["invite", "--uses", "0"], /1 to 100 members/],
        [a, ["invite", "--ttl", "91d"], /at most 90 days/]
      ]
      for (const [node, args, message] of failures) {
        const { failure, lines } = yield* at(node, ...args)
        assert.deepStrictEqual(lines, [])
        assert.match(failure?.text ?? "", message)
        const { exitCode, one } = yield* document(node, ...args)
        assert.deepInclude(one, { ok: false })
        assert.match(JSON.stringify(one), message)
        assert.strictEqual(exitCode, 1)
      }
      const nowhere = { dataDir: yield* temporaryDirectory }
      assert.match((yield* at(nowhere, "invite")).failure?.text ?? "", /no node is running/)
    })
  )
})
