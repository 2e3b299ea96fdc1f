import { assert, describe, it } from "@effect/vitest"
import { hash, randomBytes } from "node:crypto"
import { Effect } from "effect"
import { Worker } from "node:worker_threads"
import { boardMemory, SigningBoard } from "../../../../src/layers/ledger/thread/SigningBoard.ts"
import { type HelperData, mark } from "../../../fixtures/signingHelper.ts"

/** As slow as a signature, so that a helper has something to do. */
const own = (id: Uint8Array) => {
  for (let round = 0; round < 50; round++) hash("sha256", id)
  return mark(id, 1)
}

const helperOf = (data: HelperData) =>
  Effect.acquireRelease(
    Effect.callback<Worker>((resume) => {
      const worker = new Worker(new URL("../../../fixtures/signingHelper.ts", import.meta.url), { workerData: data })
      worker.once("message", () => resume(Effect.succeed(worker)))
    }),
    (worker) => Effect.promise(() => worker.terminate())
  )

/** Signs so many ids at a board; says how many of them the helper signed. Each has to have its own signature. */
const signMany = (board: SigningBoard, count: number): number => {
  const signatures = new Map<string, Uint8Array>()
  const ids = Array.from({ length: count }, () => randomBytes(32))
  board.within(() => {
    for (const id of ids) board.post(id, (signature) => signatures.set(id.toString("hex"), signature))
  })
  let helped = 0
  for (const id of ids) {
    const signature = signatures.get(id.toString("hex")) ?? assert.fail("an id without a signature")
    const isHelped = signature[63] === 2
    assert.deepStrictEqual(signature, mark(id, isHelped ? 2 : 1))
    if (isHelped) helped++
  }
  return helped
}

/** A board with a helper that is there, and signs no more after so many. */
const helpedBoard = Effect.fnUntraced(function* (signatures: number, helperMillisMax?: number) {
  const memory = boardMemory()
  yield* helperOf({ board: memory, signatures })
  Atomics.wait(new Int32Array(memory), 0, 0, 5_000)
  return new SigningBoard(memory, own, helperMillisMax === undefined ? {} : { helperMillisMax })
})

describe("SigningBoard", () => {
  it("signs at once while there is no helper", () => {
    const board = new SigningBoard(boardMemory(), own)
    const signed: Array<Uint8Array> = []
    const id = randomBytes(32)
    board.post(id, (signature) => signed.push(signature))
    assert.deepStrictEqual(signed, [own(id)])
    assert.strictEqual(signMany(board, 1000), 0)
  })

  it.live("shares the work with a helper, and each entry gets its own signature", () =>
    Effect.gen(function* () {
      const board = yield* helpedBoard(Infinity)
      let helped = 0
      for (const count of [1, 7, 8, 9, 64, 255, 256, 257, 1000]) helped += signMany(board, count)
      for (let round = 0; round < 200; round++) helped += signMany(board, 1 + (round % 70))
      assert.isAbove(helped, 0)
    })
  )

  it.live("forgets what was put up by somebody who failed", () =>
    Effect.gen(function* () {
      const board = yield* helpedBoard(Infinity)
      for (let round = 0; round < 50; round++) {
        const failing = () =>
          board.within(() => {
            for (let index = 0; index < 40; index++) board.post(randomBytes(32), () => assert.fail("put after all"))
            throw new Error("not this time")
          })
        assert.throws(failing, "not this time")
        signMany(board, 40)
      }
    })
  )

  it.live("keeps its helper when what is signed cannot be put in", () =>
    Effect.gen(function* () {
      const board = yield* helpedBoard(Infinity)
      const full = () =>
        board.within(() => {
          for (let index = 0; index < 40; index++) {
            board.post(randomBytes(32), () => {
              throw new Error("disk full")
            })
          }
        })
      assert.throws(full, "disk full")
      let helped = 0
      for (let round = 0; round < 200; round++) helped += signMany(board, 200)
      assert.isAbove(helped, 0)
    })
  )

  it.live("goes on alone when a helper does not finish what it has begun", () =>
    Effect.gen(function* () {
      const board = yield* helpedBoard(5, 50)
      let helped = 0
      for (let round = 0; round < 100; round++) helped += signMany(board, 64)
      assert.isAtMost(helped, 5)
      assert.strictEqual(signMany(board, 256), 0)
    })
  )
})
