/**
 * Names of received files. What a sender calls a file is untrusted: it must stay one name in one directory, on every
 * system, must not hide itself, and must look to a person as what it is. And the names that an unfinished file has.
 */

/** The longest name that common file systems hold, in bytes of UTF-8. */
export const nameBytesMax = 255
/** An extension that is kept when a name is cut, with its dot; what is longer is no extension. */
const extensionBytesMax = 24
/** What a name consists of in an unfinished file's, so that the rest fits too. */
const partStemBytesMax = 200
/** Hexadecimal digits of the checksum in an unfinished file's name: enough that two contents never meet by chance. */
const partDigits = 16

const utf8 = new TextEncoder()
const bytesOf = (text: string): number => utf8.encode(text).length

/**
 * Control characters, formats that change how text is read (right-to-left overrides, zero-width spaces, tags) but for
 * the two joiners that scripts need, line ends, and code points that mean nothing.
 */
const invisible = /[\p{Cc}\p{Zl}\p{Zp}\p{Co}\p{Cn}\u00ad\u061c\u180e\u200b\u200e\u200f\p{Cf}]/gu
const joiners = new Set(["\u200c", "\u200d"])
/** What some system gives a meaning of its own. */
const special = /[<>:"|?*]/g
/** Devices of Windows, whatever their extension. */
const device = /^(?:con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(?:\.|$)/i

/** Cuts at a character's border. */
const cut = (text: string, bytesMax: number): string => {
  let bytes = 0
  let kept = ""
  for (const character of text) {
    bytes += bytesOf(character)
    if (bytes > bytesMax) break
    kept += character
  }
  return kept
}

const trimmed = (text: string): string => text.replace(/^[\s.]+/u, "").replace(/[\s.]+$/u, "")

const split = (name: string): readonly [stem: string, extension: string] => {
  const dot = name.lastIndexOf(".")
  const extension = dot > 0 ? name.slice(dot) : ""
  return bytesOf(extension) > extensionBytesMax
    ? [name, ""]
    : [name.slice(0, name.length - extension.length), extension]
}

/** Shortens the part in front of the extension. */
const fit = (name: string, bytesMax: number): string => {
  if (bytesOf(name) <= bytesMax) return name
  const [stem, extension] = split(name)
  return trimmed(cut(stem, bytesMax - bytesOf(extension))) + extension
}

/** The name under which a file from outside may be stored; `file` when nothing usable is left. */
export const safeFileName = (untrusted: string): string => {
  const last = untrusted.toWellFormed().split(/[/\\]/).at(-1) ?? ""
  const visible = last
    .normalize("NFC")
    .replace(invisible, (character) => (joiners.has(character) ? character : ""))
    .replace(special, "_")
  // A name that begins with a hyphen is read as an option by many commands.
  const name = trimmed(visible).replace(/^-/, "_")
  if (name.replace(/[\u200c\u200d]/g, "") === "") return "file"
  return fit(device.test(name) ? `_${name}` : name, nameBytesMax)
}

/** The name for the `number`-th file that would be called so: `name.ext`, `name (1).ext`, `name (2).ext`. */
export const numberedName = (name: string, number: number): string => {
  if (number === 0) return name
  const [stem, extension] = split(name)
  const suffix = ` (${number})${extension}`
  return trimmed(cut(stem, nameBytesMax - bytesOf(suffix))) + suffix
}

/** The name of a file while it is unfinished; `number` above 0 when another transfer is writing the first one. */
export const partName = (name: string, sha256: string, number: number): string =>
  `.${fit(name, partStemBytesMax)}.${sha256.slice(0, partDigits)}${number === 0 ? "" : `.${number}`}.part`

/** Whether a name is one of `partName`. */
export const isPartName = (name: string): boolean => /^\..+\.[0-9a-f]{16}(?:\.[1-9])?\.part$/.test(name)
