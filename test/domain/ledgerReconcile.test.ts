import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import {
  answerRange,
  areApart,
  type Chain,
  ChainIndex,
  everybody,
  havingOf,
  type Head,
  isWithin,
  lackOf,
  lagOf,
  listedMax,
  openingMarks,
  type RangeMark,
  refine,
  type ShownChain,
  type Wants
} from "../../src/domain/ledgerReconcile.ts"
import { fuzzSeed, makeRandom, type Random } from "../fixtures/random.ts"

const hash = (text: string): string => createHash("sha256").update(text).digest("hex")
const author = (number: number): string => hash(`author ${number}`)
const head = (who: string, branch: string, seq: number): Head => ({ seq, id: hash(`${who} ${branch} ${seq}`) })

/** One author's chain on a node: so long, on a branch that leaves the first one at 2; or forked there or elsewhere. */
type Have = { readonly length: number; readonly branch: "a" | "b" } | { readonly forkedAt: number }

/** A node's chains, by author. */
type Node = ReadonlyMap<string, Have>

const branchOf = ({ branch }: { branch: "a" | "b" }, seq: number): string => (seq < 2 ? "a" : branch)

const indexOf = (node: Node): ChainIndex => {
  const chains = [...node].map(([who, have]): Chain => {
    if ("forkedAt" in have) return { author: who, heads: [head(who, "a", 9), head(who, "b", 9)] }
    return { author: who, heads: [head(who, branchOf(have, have.length - 1), have.length - 1)] }
  })
  return new ChainIndex(
    chains,
    [...node].flatMap(([who, have]) => ("forkedAt" in have ? [{ author: who, seq: have.forkedAt }] : []))
  )
}

const idsOf = (who: string, have: Have | undefined): ReadonlySet<string> => {
  if (have === undefined) return new Set()
  if ("forkedAt" in have) {
    return new Set(["a", "b"].flatMap((branch) => Array.from({ length: 10 }, (_, seq) => head(who, branch, seq).id)))
  }
  return new Set(Array.from({ length: have.length }, (_, seq) => head(who, branchOf(have, seq), seq).id))
}

/** What the one who asks must get of an author, straight from the definitions. */
const expected = (who: string, asker: Have | undefined, answerer: Have): Head | null | undefined => {
  if (asker === undefined) return null
  if ("forkedAt" in asker) return "forkedAt" in answerer && answerer.forkedAt < asker.forkedAt ? null : undefined
  if ("forkedAt" in answerer) return head(who, branchOf(asker, asker.length - 1), asker.length - 1)
  const last = answerer.length - 1
  if (idsOf(who, asker).has(head(who, branchOf(answerer, last), last).id)) return undefined
  return answerer.length > asker.length ? head(who, branchOf(asker, asker.length - 1), asker.length - 1) : null
}

/** The whole conversation, as a program has it; counts what is said. */
const reconcile = (asker: Node, answerer: Node) => {
  const [mine, theirs] = [indexOf(asker), indexOf(answerer)]
  const wants = { ranges: [] as Array<Wants["ranges"][number]>, chains: [] as Array<Wants["chains"][number]> }
  let marks: ReadonlyArray<RangeMark> = openingMarks(mine)
  const said = { rounds: 0, marks: 0, listed: 0 }
  while (marks.length > 0) {
    said.rounds++
    said.marks += marks.length
    assert.isBelow(said.rounds, 100, "it does not end")
    assert.isTrue(areApart(marks))
    marks = marks.flatMap((mark) => {
      const answer = answerRange(theirs, mark)
      if (answer._tag === "Same") return []
      if (answer._tag === "Split") {
        const next = refine(mine, mark)
        wants.ranges.push(...next.ranges)
        return next.marks
      }
      said.listed += answer.chains.length
      for (const shown of answer.chains) {
        assert.isTrue(isWithin(shown.author, mark))
        const own = mine.find(shown.author)
        const isHere = (id: string) => idsOf(shown.author, asker.get(shown.author)).has(id)
        const behind = lackOf(own, shown, isHere)
        if (behind !== undefined) wants.chains.push({ author: shown.author, behind })
      }
      return []
    })
  }
  return { wants, said }
}

/** Exactly what is lacking is wanted, each once. */
const check = (asker: Node, answerer: Node) => {
  const { said, wants } = reconcile(asker, answerer)
  const wanted = new Map<string, Head | null>()
  const want = (who: string, behind: Head | null) => {
    assert.isFalse(wanted.has(who), "wanted twice")
    wanted.set(who, behind)
  }
  for (const { author, behind } of wants.chains) want(author, behind)
  for (const who of answerer.keys()) {
    for (const range of wants.ranges) if (isWithin(who, range)) want(who, null)
  }
  for (const [who, have] of answerer) {
    const lack = expected(who, asker.get(who), have)
    assert.deepStrictEqual(wanted.get(who), lack, `${JSON.stringify(asker.get(who))} ${JSON.stringify(have)}`)
  }
  for (const who of wanted.keys()) assert.isTrue(answerer.has(who))
  return said
}

const anyHave = (random: Random): Have =>
  random.below(8) === 0
    ? { forkedAt: random.below(4) }
    : { length: 1 + random.below(8), branch: random.below(6) === 0 ? "b" : "a" }

const sizes = [0, 1, 2, listedMax - 1, listedMax, listedMax + 1, 40, 300]

describe("ledgerReconcile", () => {
  const seed = fuzzSeed()
  it(`finds exactly what is missing between any two nodes (seed ${seed})`, () => {
    const random = makeRandom(seed)
    for (let run = 0; run < 300; run++) {
      const common = random.pick(sizes)
      const asker = new Map<string, Have>()
      const answerer = new Map<string, Have>()
      const different = random.pick([0, 1, 5, 100])
      for (let number = 0; number < common; number++) {
        const have = anyHave(random)
        asker.set(author(number), have)
        answerer.set(author(number), have)
      }
      for (let change = 0; change < different; change++) {
        const who = author(random.below(common + 20))
        const side = random.pick([asker, answerer])
        if (random.below(4) === 0) side.delete(who)
        else side.set(who, anyHave(random))
      }
      assert.isAbove(check(asker, answerer).rounds, 0)
    }
  })

  it("asks about nothing but the whole when both are empty or the same", () => {
    assert.deepStrictEqual(check(new Map(), new Map()), { rounds: 1, marks: 1, listed: 0 })
    const few: Node = new Map([[author(1), { length: 3, branch: "a" }]])
    assert.deepStrictEqual(check(few, few), { rounds: 1, marks: 1, listed: 0 })
  })

  it("has the first and the last author that there can be", () => {
    const have: Have = { length: 1, branch: "a" }
    const all = Array.from({ length: 60 }, (_, number) => author(number))
    const ends: Node = new Map([["0".repeat(64), have] as const, ["f".repeat(64), have] as const])
    const everyone: Node = new Map([...all.map((who) => [who, have] as const), ...ends])
    const nodes = [ends, everyone, new Map([...ends].slice(0, 1)), new Map([...ends].slice(1))]
    for (const one of nodes) for (const other of nodes) assert.isAbove(check(one, other).rounds, 0)
  })

  const many: Node = new Map(
    Array.from({ length: 10_000 }, (_, number) => [author(number), { length: 5, branch: "a" }] as const)
  )

  it("finds three differences among 10,000 authors in four rounds and about 200 fingerprints", () => {
    const more = new Map<string, Have>(many)
    for (const number of [17, 4711, 9999]) more.set(author(number), { length: 6, branch: "a" })
    const said = check(many, more)
    assert.isAtMost(said.rounds, 4)
    assert.isAtMost(said.marks, 16 + 3 * 3 * 16)
    assert.isAtMost(said.listed, 3 * listedMax)
  })

  it("wants everything at once where it knows next to nobody, and asks little where the other one does", () => {
    const one: Node = new Map([[author(17), { length: 1, branch: "a" }]])
    const joiner = check(one, many)
    assert.isAtMost(joiner.marks, 3)
    const other = check(many, one)
    assert.isAtMost(other.marks, 16)
  })

  it("stays bounded when the other side only ever wants ranges split", () => {
    const index = indexOf(many)
    let marks = openingMarks(index)
    let [rounds, sum, ranges] = [0, 0, 0]
    for (; marks.length > 0; rounds++) {
      sum += marks.length
      const next = marks.map((mark) => refine(index, mark))
      ranges += next.reduce((all, { ranges }) => all + ranges.length, 0)
      marks = next.flatMap(({ marks }) => marks)
    }
    assert.isAtMost(rounds, 6)
    assert.isAtMost(sum, 2 * many.size)
    assert.isAtMost(ranges, 3 * many.size)
  })

  it("says what somebody has who wants some of it", () => {
    const random = makeRandom(seed)
    for (let run = 0; run < 200; run++) {
      const bound = () => random.pick(["", author(random.below(60)), author(random.below(60))])
      const ranges = Array.from({ length: random.below(5) }, () => ({ from: bound(), to: bound() })).filter(
        ({ from, to }) => to === "" || from < to
      )
      const wanted = Array.from({ length: random.below(10) }, () => {
        const who = author(random.below(60))
        return { author: who, behind: random.below(2) === 0 ? null : head(who, "a", random.below(3)) }
      })
      const having = havingOf({ ranges, chains: wanted })
      for (let number = 0; number < 60; number++) {
        const who = author(number)
        const behind = wanted.filter((want) => want.author === who)
        const heads = behind.flatMap((want) => want.behind ?? [])
        const isGone = ranges.some((range) => isWithin(who, range)) || (behind.length > 0 && heads.length === 0)
        assert.deepStrictEqual(having(who), isGone ? undefined : behind.length > 0 ? { author: who, heads } : "all")
      }
    }
  })

  it("tells how many entries are lacking as far as the ends of chains tell", () => {
    const shown: ShownChain = { author: author(1), head: head(author(1), "a", 9) }
    assert.strictEqual(lagOf(null, shown), 10)
    assert.strictEqual(lagOf(head(author(1), "a", 7), shown), 2)
    assert.strictEqual(lagOf(head(author(1), "b", 20), shown), 1)
    assert.strictEqual(lagOf(null, { author: author(1), forkedAt: 3 }), 4)
  })

  it("marks the whole by what is in it", () => {
    const [one, other] = [indexOf(many), indexOf(new Map([...many].toReversed()))]
    assert.strictEqual(one.fingerprint(everybody), other.fingerprint(everybody))
    assert.match(one.fingerprint(everybody), /^[0-9a-f]{32}$/)
  })
})

const range = (from = "", to = "") => ({ from, to })

describe("areApart", () => {
  it("holds for ranges without an author in common, in any order", () => {
    const [a, b, c] = ["10", "20", "30"].map((byte) => byte.repeat(32))
    assert.isTrue(areApart([]))
    assert.isTrue(areApart([everybody]))
    assert.isTrue(areApart([range(c, ""), range("", a), range(b, c)]))
    assert.isFalse(areApart([everybody, everybody]))
    assert.isFalse(areApart([range(a, c), range(b, c)]))
    assert.isFalse(areApart([range(a, ""), range(b, c)]))
    assert.isFalse(areApart([range("", b), range("", a)]))
  })
})
