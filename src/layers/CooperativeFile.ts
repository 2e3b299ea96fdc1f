/**
 * `Cooperative` whose keys, rosters and invitations are kept in `cooperative.json` of the data directory (format in
 * protocol/coopFile.ts).
 */
import { Effect, Layer, type Scope } from "effect"
import { join } from "node:path"
import { Cooperative, type CooperativeError } from "../services/Cooperative.ts"
import { DataDirectory } from "../services/DataDirectory.ts"
import type { SessionError } from "../services/SessionManager.ts"
import { fileStore } from "./cooperative/files.ts"
import { type CooperativeOptions, type CooperativeParts, make as makeCooperative } from "./cooperative/make.ts"

export type { CooperativeOptions }

export const fileName = "cooperative.json"

export const make = (
  options: CooperativeOptions = {}
): Effect.Effect<
  Cooperative["Service"],
  CooperativeError | SessionError,
  CooperativeParts | DataDirectory | Scope.Scope
> => Effect.flatMap(DataDirectory, ({ path }) => makeCooperative(fileStore(join(path, fileName)), options))

export const layer = (
  options: CooperativeOptions = {}
): Layer.Layer<Cooperative, CooperativeError | SessionError, CooperativeParts | DataDirectory> =>
  Layer.effect(Cooperative, make(options))
