/**
 * Members on the command line, and the paths to them as text.
 */
import { Option, Result } from "effect"
import { Argument } from "effect/cli"
import { Did } from "../../domain/did.ts"
import type { PathStatus } from "../rpc/Api.ts"

const explained = (text: string): string =>
  Result.match(Did.parse(text), { onSuccess: () => text, onFailure: ({ message }) => message })

/** A DID of this network. */
export const didArgument = Argument.String("did").pipe(
  Argument.withDescription("The member, as did:key:z6Mk…"),
  Argument.filterMap((text) => Option.fromNullishOr(Result.getOrUndefined(Did.parse(text))), explained)
)

export const milliseconds = (millis: number): string => `${millis.toFixed(millis < 10 ? 2 : 1)} ms`

/** `direct over quic, 198.51.100.7:7777, 12.3 ms`. */
export const pathText = ({ kind, remoteAddress, rttMs, transport }: PathStatus): string =>
  [`${kind} over ${transport}`, remoteAddress, ...(rttMs === null ? [] : [milliseconds(rttMs)])].join(", ")
