/**
 * SASLprep (RFC 4013): how user names and passwords are prepared for servers of RFC 5389 and RFC 5766, so that one
 * password has one key however it was typed. Code points that Unicode 3.2 did not know are let through, as RFC 3454
 * section 7 allows for queries, and normalization is that of the Unicode version at hand.
 */
import { Result } from "effect"

/** A text cannot be prepared. Shows nothing of it, since it may be a password. */
export interface PreparationError {
  readonly _tag: "PreparationError"
  readonly profile: "SASLprep" | "OpaqueString"
  readonly reason: "prohibited" | "bidirectional" | "empty"
}

/** RFC 3454 table C.1.2. U+200B is in B.1, too: the order of RFC 4013 section 2.1 makes it a space. */
const nonAsciiSpace = /[\u{a0}\u{1680}\u{2000}-\u{200b}\u{202f}\u{205f}\u{3000}]/gu

/** RFC 3454 table B.1: soft hyphen, joiners, variation selectors. */
const mappedToNothing =
  /\u{ad}|\u{34f}|\u{1806}|[\u{180b}-\u{180d}]|\u{200c}|\u{200d}|\u{2060}|[\u{fe00}-\u{fe0f}]|\u{feff}/gu

/**
 * RFC 4013 section 2.3: control, private use, surrogates and non-characters by property, then the rest of RFC 3454
 * tables C.2.2 and C.6 to C.9. Spaces of C.1.2 have been mapped.
 */
const prohibited = new RegExp(
  [
    String.raw`\p{Cc}|\p{Co}|\p{Cs}|\p{Noncharacter_Code_Point}`,
    String.raw`[\u{340}\u{341}\u{6dd}\u{70f}\u{180e}\u{200e}\u{200f}\u{2028}-\u{202e}\u{2061}-\u{2063}]`,
    String.raw`[\u{206a}-\u{206f}\u{2ff0}-\u{2ffb}\u{fff9}-\u{fffd}\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]`
  ].join("|"),
  "u"
)

/** RFC 3454 table D.1, the characters of right-to-left scripts, as far as NFKC leaves them. */
const rightToLeftClass = [
  String.raw`\u{5be}\u{5c0}\u{5c3}\u{5d0}-\u{5ea}\u{5f0}-\u{5f4}\u{61b}\u{61f}\u{621}-\u{63a}\u{640}-\u{64a}`,
  String.raw`\u{66d}-\u{66f}\u{671}-\u{6d5}\u{6e5}\u{6e6}\u{6fa}-\u{6fe}\u{700}-\u{70d}\u{710}\u{712}-\u{72c}`,
  String.raw`\u{780}-\u{7a5}\u{7b1}\u{fe73}`
].join("")
const rightToLeft = new RegExp(`[${rightToLeftClass}]`, "u")
const rightToLeftEnds = new RegExp(`^[${rightToLeftClass}](?:.*[${rightToLeftClass}])?$`, "su")

/** Stands for table D.2 (360 ranges): letters and spacing marks that are not of table D.1. */
const leftToRight = new RegExp(String.raw`[[\p{Lu}\p{Ll}\p{Lt}\p{Lo}\p{Mc}]--[${rightToLeftClass}]]`, "v")

const failure = (reason: PreparationError["reason"]): Result.Result<never, PreparationError> =>
  Result.fail({ _tag: "PreparationError", profile: "SASLprep", reason })

/** The prepared form of a user name or password; an empty text stays empty. */
export const saslprep = (text: string): Result.Result<string, PreparationError> => {
  const prepared = text.replaceAll(nonAsciiSpace, " ").replaceAll(mappedToNothing, "").normalize("NFKC")
  if (prohibited.test(prepared)) return failure("prohibited")
  // RFC 3454 section 6: right-to-left text has no left-to-right letters, and begins and ends right-to-left.
  if (rightToLeft.test(prepared) && (leftToRight.test(prepared) || !rightToLeftEnds.test(prepared))) {
    return failure("bidirectional")
  }
  return Result.succeed(prepared)
}
