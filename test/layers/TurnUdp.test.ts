import { Layer } from "effect"
import * as ScriptedTurnServer from "../../src/layers/turn/ScriptedTurnServer.ts"
import { turnClientContract } from "../contract/TurnClient.ts"
import { config, layerOf } from "./turn/world.ts"

turnClientContract("TurnUdp", {
  config,
  layer: Layer.effectDiscard(ScriptedTurnServer.make()).pipe(Layer.provideMerge(layerOf()))
})
