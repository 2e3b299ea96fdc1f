/**
 * What our readers of CBOR share (entry.ts, ledgerSync.ts, coopRoster.ts): how strict the decoder is, and parts of
 * decoded values, `undefined` where a value is something else.
 */

/** Options of cborg that refuse everything that the deterministic encoding of our types never contains. */
export const strictCbor = {
  allowBigInt: false,
  allowIndefinite: false,
  allowInfinity: false,
  allowNaN: false,
  allowUndefined: false,
  strict: true,
  useMaps: true
}

/** A byte string of this length, as lower-case hex. */
export const hex = (value: unknown, length: number): string | undefined => {
  if (!(value instanceof Uint8Array) || value.length !== length) return undefined
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, length)
  return bytes.toString("hex")
}

/** An array of at most so many items, each of which can be read. */
export const list = <A>(
  value: unknown,
  maximum: number,
  read: (item: unknown) => A | undefined
): ReadonlyArray<A> | undefined => {
  if (!Array.isArray(value) || value.length > maximum) return undefined
  const items: Array<A> = []
  for (const item of value) {
    const one = read(item)
    if (one === undefined) return undefined
    items.push(one)
  }
  return items
}
