/**
 * TURN over UDP and TCP (RFC 8656): the configuration says which, and "auto" asks over UDP first. The state machines
 * are in layers/turn/, put together in layers/turn/Client.ts.
 */
import { Layer } from "effect"
import type { Tcp } from "../services/Tcp.ts"
import { TurnClient } from "../services/TurnClient.ts"
import type { Udp } from "../services/Udp.ts"
import * as TcpNode from "./TcpNode.ts"
import * as Client from "./turn/Client.ts"
import * as UdpNode from "./UdpNode.ts"

/** TURN with chosen transaction ids, for tests. */
export const layerWith = (options: Client.TurnClientOptions): Layer.Layer<TurnClient, never, Udp | Tcp> =>
  Layer.effect(TurnClient, Client.make(options))

export const layer: Layer.Layer<TurnClient, never, Udp | Tcp> = layerWith({})

/** TURN over this machine's network: all that a program needs to embed a TURN client. */
export const layerNode: Layer.Layer<TurnClient> = Layer.provide(layer, [UdpNode.layer, TcpNode.layer])
