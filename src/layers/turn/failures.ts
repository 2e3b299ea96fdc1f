/**
 * From a server's error code to the typed reason of a `TurnError`, and from there to the failure counter's label
 * (RFC 8489 section 14.8, RFC 8656 section 19).
 */
import type { TurnFailureReason } from "../../domain/metrics.ts"
import { hintsLoss } from "../../domain/turnUpkeep.ts"
import {
  TurnMismatch,
  TurnPeerRefused,
  TurnProtocolError,
  TurnQuotaReached,
  TurnUnauthorized,
  type TurnError,
  type TurnErrorReason
} from "../../services/TurnClient.ts"

export interface Refusal {
  readonly code: number
  readonly detail: string
  readonly realm: string | undefined
}

/** What a final error response means; `peer` is whom the request was about, if it was about one. */
export const reasonOf = ({ code, detail, realm = "" }: Refusal, peer: string | undefined): TurnErrorReason => {
  switch (code) {
    case 401:
    case 441:
      return new TurnUnauthorized({ code, realm })
    case 437:
      return new TurnMismatch({ code })
    case 403:
    case 443:
      return peer === undefined ? new TurnQuotaReached({ code }) : new TurnPeerRefused({ code, peer })
    case 440:
    case 442:
    case 486:
    case 508:
      return new TurnQuotaReached({ code })
    default:
      return new TurnProtocolError({ code, detail })
  }
}

/** The `reason` label of `icn_turn_allocation_failures_total`. */
export const labelOf = (reason: TurnErrorReason): TurnFailureReason => {
  switch (reason._tag) {
    case "TurnTimeout":
      return "timeout"
    case "TurnUnauthorized":
      return "unauthorised"
    case "TurnLimitReached":
    case "TurnQuotaReached":
      return "quota"
    case "TurnMismatch":
      return "mismatch"
    case "TurnPeerRefused":
      return "peer_refused"
    case "TurnProtocolError":
      return "protocol"
    case "TurnUnreachable":
      return "unreachable"
  }
}

/** Whether a failed request about a peer may mean that the whole allocation is gone. */
export const suggestsLoss = ({ code, reason }: TurnError): boolean =>
  hintsLoss(labelOf(reason), typeof code === "number" ? code : 0)
