/** The IP addresses of this machine's interfaces at which members may reach the link socket. */
import { networkInterfaces } from "node:os"
import { scopeOf } from "../../../domain/addressScope.ts"
import { canonical } from "../../../domain/ipAddress.ts"
import type { LinkSettings } from "../Settings.ts"

type Bound = Pick<LinkSettings, "udp4" | "udp6" | "scopes">

/** A socket that is bound to one address is reached there only. */
const isBound = (bound: string | false, host: string): boolean =>
  bound !== false && (scopeOf(bound) === "unusable" || bound === host)

/** Each once, in the system's order; read anew at each call. */
export const ownHosts = ({ scopes, udp4, udp6 }: Bound): ReadonlyArray<string> => {
  const hosts = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .flatMap(({ address }) => canonical(address) ?? [])
  return [...new Set(hosts)].filter(
    (host) => scopes.includes(scopeOf(host)) && isBound(host.includes(":") ? udp6 : udp4, host)
  )
}
