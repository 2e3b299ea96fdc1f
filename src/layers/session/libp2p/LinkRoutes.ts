/**
 * Which connections of libp2p are carried by links. A link has a UDP socket on loopback that stands for the member, so
 * that QUIC sees the same address whatever way the packets take; this tells the member and the true way behind it.
 */
import type { Did } from "../../../domain/did.ts"
import type { TransportAddress } from "../../../domain/transportAddress.ts"
import type { WireLink } from "../Wire.ts"

/** Where links are, to QUIC. */
export const linkHost = "127.0.0.1"

export interface LinkRoute {
  readonly did: Did
  readonly link: WireLink
}

export class LinkRoutes {
  readonly #routes = new Map<number, LinkRoute>()
  /** Where QUIC listens for what links bring; 0 until it does. */
  port = 0

  add(port: number, route: LinkRoute): void {
    this.#routes.set(port, route)
  }

  remove(port: number): void {
    this.#routes.delete(port)
  }

  at(port: number): LinkRoute | undefined {
    return this.#routes.get(port)
  }

  /** The route of a connection whose other end QUIC sees at this address. */
  of({ host, port, transport }: TransportAddress & { readonly transport: "quic" | "tcp" }): LinkRoute | undefined {
    return transport === "quic" && host === linkHost ? this.#routes.get(port) : undefined
  }

  /** Whether an address is the one at which links arrive, which is nobody else's to dial. */
  isListener({ host, port, transport }: TransportAddress & { readonly transport: "quic" | "tcp" }): boolean {
    return transport === "quic" && host === linkHost && port === this.port
  }
}
