/**
 * `Cooperative` whose keys and invitations live as long as the program: for tests, simulations and embedders that keep
 * nothing on disk.
 */
import { Effect, Layer, type Scope } from "effect"
import type { CoopState } from "../domain/coopState.ts"
import { Cooperative, type CooperativeError } from "../services/Cooperative.ts"
import type { SessionError } from "../services/SessionManager.ts"
import { type CooperativeOptions, type CooperativeParts, make as makeCooperative } from "./cooperative/make.ts"

export type { CooperativeOptions }

export const make = (
  options: CooperativeOptions = {}
): Effect.Effect<Cooperative["Service"], CooperativeError | SessionError, CooperativeParts | Scope.Scope> =>
  Effect.suspend(() => {
    const nothing: ReadonlyArray<CoopState> = []
    return makeCooperative({ load: Effect.succeed(nothing), save: () => Effect.void }, options)
  })

export const layer = (
  options: CooperativeOptions = {}
): Layer.Layer<Cooperative, CooperativeError | SessionError, CooperativeParts> =>
  Layer.effect(Cooperative, make(options))
