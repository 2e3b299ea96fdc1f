/**
 * Which peers may send through the relay (RFC 8656 section 9): the hosts that the application permits, and the requests
 * that install and renew them, all in one CreatePermission. Plain state that the data path reads; a permission is kept
 * across re-allocations, and `renew` installs it anew.
 */
import { Effect } from "effect"
import { permissionBatches, permissionLifetimeMillis, permissionsMax } from "../../domain/turnUpkeep.ts"
import { createPermissionRequest } from "../../protocol/turn.ts"
import type { TurnError } from "../../services/TurnClient.ts"
import type { Link } from "./Link.ts"

interface Permission {
  /** 0 until the server has confirmed it for the first time. */
  expiresAtMillis: number
}

/** A peer that the server refuses to relay to. */
export interface RefusedPeer {
  readonly host: string
  readonly error: TurnError
}

export interface Permissions {
  readonly has: (host: string) => boolean
  readonly hosts: () => ReadonlyArray<string>
  /** Notes a host that shall be permitted; false when there are too many. */
  readonly add: (host: string) => boolean
  readonly confirm: (host: string, now: number) => number
  readonly drop: (host: string) => void
  /** Drops a host that was never confirmed. */
  readonly abandon: (host: string) => void
}

export const make = (): Permissions => {
  const permissions = new Map<string, Permission>()
  return {
    has: (host) => permissions.has(host),
    hosts: () => Array.from(permissions.keys()),
    add: (host) => {
      if (permissions.has(host)) return true
      if (permissions.size >= permissionsMax) return false
      permissions.set(host, { expiresAtMillis: 0 })
      return true
    },
    confirm: (host, now) => {
      const expiresAtMillis = now + permissionLifetimeMillis
      const permission = permissions.get(host)
      // One that was revoked while the answer was on its way stays revoked.
      if (permission !== undefined) permission.expiresAtMillis = expiresAtMillis
      return expiresAtMillis
    },
    drop: (host) => void permissions.delete(host),
    abandon: (host) => {
      if (permissions.get(host)?.expiresAtMillis === 0) permissions.delete(host)
    }
  }
}

const create = (link: Link, hosts: ReadonlyArray<string>): Effect.Effect<unknown, TurnError> => {
  // Permissions are per IP address: the port is ignored by the server (RFC 8656 section 9.2).
  const peers = hosts.map((host) => ({ host, port: 0 }))
  return link.request({
    method: "createPermission",
    build: (options) => createPermissionRequest({ ...options, peers }),
    peer: hosts.join(", ")
  })
}

/** Installs one batch; where a refused peer fails it for all, the halves are tried until that peer is found. */
const installBatch = (link: Link, hosts: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<RefusedPeer>, TurnError> =>
  create(link, hosts).pipe(
    Effect.as<ReadonlyArray<RefusedPeer>>([]),
    Effect.catchReason("TurnError", "TurnPeerRefused", (_reason, error) => {
      const [host] = hosts
      if (hosts.length === 1 && host !== undefined) return Effect.succeed([{ host, error }])
      const middle = Math.ceil(hosts.length / 2)
      const halves = [hosts.slice(0, middle), hosts.slice(middle)]
      return Effect.map(
        Effect.forEach(halves, (half) => installBatch(link, half)),
        (refused) => refused.flat()
      )
    })
  )

/** Asks for permissions in as few requests as fit; returns whom the server refused. */
export const install = (
  link: Link,
  hosts: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<RefusedPeer>, TurnError> =>
  Effect.map(
    Effect.forEach(permissionBatches(hosts), (batch) => installBatch(link, batch)),
    (refused) => refused.flat()
  )
