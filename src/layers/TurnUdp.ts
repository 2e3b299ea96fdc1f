/**
 * TURN over UDP only (RFC 8656). `TurnUdpTcp` adds TCP, for networks that let no UDP out. The state machines behind
 * both are in layers/turn/, put together in layers/turn/Client.ts.
 */
import { Effect, Layer } from "effect"
import { format } from "../domain/transportAddress.ts"
import { Tcp, TcpError } from "../services/Tcp.ts"
import { TurnClient } from "../services/TurnClient.ts"
import type { Udp } from "../services/Udp.ts"
import * as Client from "./turn/Client.ts"
import * as UdpNode from "./UdpNode.ts"

export type TurnUdpOptions = Omit<Client.TurnClientOptions, "transports">

const unsupported = (operation: TcpError["operation"]) => (address: { readonly host: string; readonly port: number }) =>
  Effect.fail(new TcpError({ operation, target: format(address), code: "EPROTONOSUPPORT" }))

/** A configuration that asks for TCP alone fails and says so. */
const noTcp = Tcp.of({ connect: unsupported("connect"), listen: unsupported("listen") })

/** TURN with chosen transaction ids, for tests. */
export const layerWith = (options: TurnUdpOptions): Layer.Layer<TurnClient, never, Udp> =>
  Layer.effect(TurnClient, Client.make({ ...options, transports: ["udp"] }).pipe(Effect.provideService(Tcp, noTcp)))

export const layer: Layer.Layer<TurnClient, never, Udp> = layerWith({})

/** TURN over this machine's network, UDP only. */
export const layerNode: Layer.Layer<TurnClient> = Layer.provide(layer, UdpNode.layer)
