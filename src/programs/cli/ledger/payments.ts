/**
 * `icn-node ledger pay|hold|post|void|reverse`: what a member does with what he has.
 */
import { Clock, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { amount, currency, entryArgument, to, writeFlags } from "./flags.ts"
import { writing } from "./writing.ts"

export const pay = Command.make(
  "pay",
  { to, amount, currency, ...writeFlags },
  Effect.fnUntraced(function* ({ amount, currency, to, ...flags }) {
    yield* writing(flags, { _tag: "Pay", to, amount, currency: Option.getOrNull(currency) }, "paid")
  })
).pipe(
  Command.withDescription("Pay another member; exit code 0 once it is durable"),
  Command.withExamples([
    { command: "icn-node ledger pay --to did:key:z6Mk… --amount 1.50", description: "In the first currency" },
    {
      command: "icn-node ledger pay --to did:key:z6Mk… --amount 1.50 --idempotency-key bread-17 --json",
      description: "For a script, which may ask again with the same key"
    }
  ])
)

const millisOf = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const isUnit = (text: string | undefined): text is keyof typeof millisOf => text === "m" || text === "h" || text === "d"

/** `30m`, `24h`, `7d` in milliseconds; a year at most. */
const durationMillis = (text: string): Option.Option<number> => {
  const [, digits = "", unit] = /^([1-9]\d{0,5})([mhd])$/.exec(text) ?? []
  const millis = isUnit(unit) ? Number(digits) * millisOf[unit] : 0
  return millis > 0 && millis <= 366 * millisOf.d ? Option.some(millis) : Option.none()
}

const expires = Flag.String("expires-in").pipe(
  Flag.withMetavar("7d"),
  Flag.withDescription("After this time the node voids it: minutes, hours or days (30m, 24h, 7d); 7d unless given"),
  Flag.withDefault("7d"),
  Flag.filterMap(durationMillis, () => "a time from 1m to 366d, in minutes, hours or days (30m, 24h, 7d)")
)

export const hold = Command.make(
  "hold",
  { to, amount, currency, expires, ...writeFlags },
  Effect.fnUntraced(function* ({ amount, currency, expires, to, ...flags }) {
    const expiresAtMillis = (yield* Clock.currentTimeMillis) + expires
    yield* writing(
      flags,
      { _tag: "Hold", to, amount, currency: Option.getOrNull(currency), expiresAtMillis },
      "set aside"
    )
  })
).pipe(Command.withDescription('Set a payment aside: nobody else can have it, and "post" pays it'))

export const post = Command.make(
  "post",
  {
    id: entryArgument("hold"),
    amount: amount.pipe(
      Flag.withDescription("A part of what was held; the rest is free again. All of it unless given"),
      Flag.optional
    ),
    ...writeFlags
  },
  Effect.fnUntraced(function* ({ amount, id, ...flags }) {
    yield* writing(flags, { _tag: "Post", hold: id, amount: Option.getOrNull(amount) }, "paid")
  })
).pipe(Command.withDescription("Pay what was set aside, or a part of it"))

export const voidHold = Command.make(
  "void",
  { id: entryArgument("hold"), ...writeFlags },
  Effect.fnUntraced(function* ({ id, ...flags }) {
    yield* writing(flags, { _tag: "Void", hold: id }, "set free")
  })
).pipe(Command.withDescription("Free what was set aside"))

export const reverse = Command.make(
  "reverse",
  { id: entryArgument("entry"), ...writeFlags },
  Effect.fnUntraced(function* ({ id, ...flags }) {
    yield* writing(flags, { _tag: "Reverse", entry: id }, "gave back")
  })
).pipe(Command.withDescription("Give back all that this member received from a payment"))
