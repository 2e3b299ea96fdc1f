/**
 * What every implementation of the DataDirectory service must do. Each layer's test runs this suite.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, type Layer, Scope } from "effect"
import { isAbsolute } from "node:path"
import { DataDirectory, type DataDirectoryError } from "../../src/services/DataDirectory.ts"

export const dataDirectoryContract = (name: string, layer: Layer.Layer<DataDirectory, DataDirectoryError>) =>
  describe(`${name} as DataDirectory`, () => {
    it.effect("has an absolute path", () =>
      Effect.gen(function* () {
        const { path } = yield* DataDirectory
        assert.isTrue(isAbsolute(path))
      }).pipe(Effect.provide(layer))
    )

    it.effect("locks out everybody else, telling who holds the lock, until the scope closes", () =>
      Effect.gen(function* () {
        const { lock, path } = yield* DataDirectory
        const scope = yield* Scope.make()
        yield* Scope.provide(lock, scope)
        const error = yield* Effect.flip(Effect.scoped(lock))
        assert.strictEqual(error._tag, "DataDirectoryInUse")
        assert.include(error.message, path)
        assert.match(error.message, /process \d+ on .+ since 1970-01-01T00:00:00.000Z; stop it with "icn-node stop/)
        yield* Effect.flip(Effect.scoped(lock))
        yield* Scope.close(scope, Exit.void)
        yield* Effect.scoped(lock)
        yield* Effect.scoped(lock)
      }).pipe(Effect.provide(layer))
    )
  })
