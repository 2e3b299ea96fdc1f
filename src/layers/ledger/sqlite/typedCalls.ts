/** Calls by name, with the types that the methods of these names have. */
import type { Effect } from "effect"
import type { Call } from "../Engine.ts"

/** The types of calls whose answers come as plain data. */
export const typed = <Calls, E>(
  call: (name: keyof Calls & string, args: ReadonlyArray<unknown>) => Effect.Effect<unknown, E>
): Call<Calls, E> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a call returns what the method of that name does
  ((name: keyof Calls & string, ...args: ReadonlyArray<unknown>) => call(name, args)) as Call<Calls, E>
