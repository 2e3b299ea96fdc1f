import { Layer } from "effect"
import * as TurnConfig from "../../src/domain/turnConfig.ts"
import * as TurnMemory from "../../src/layers/TurnMemory.ts"
import * as UdpMemory from "../../src/layers/UdpMemory.ts"
import { turnClientContract } from "../contract/TurnClient.ts"

turnClientContract("TurnMemory", {
  config: TurnConfig.make({ host: "127.0.0.1", port: 3478 }),
  layer: TurnMemory.layer.pipe(Layer.provideMerge(UdpMemory.layer()))
})
