/** The IP addresses of this machine's interfaces, where members may reach a socket that is bound to all of them. */
import { networkInterfaces } from "node:os"
import { type AddressScope, scopeOf } from "../../../domain/addressScope.ts"
import { canonical } from "../../../domain/ipAddress.ts"

/** Those of these scopes, each once, in the system's order. */
export const ownHosts = (scopes: ReadonlyArray<AddressScope>): ReadonlyArray<string> => {
  const hosts = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .flatMap(({ address }) => canonical(address) ?? [])
  return [...new Set(hosts)].filter((host) => scopes.includes(scopeOf(host)))
}
