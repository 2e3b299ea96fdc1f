/**
 * Transport addresses: an IP literal and a port, as STUN (RFC 8489) and TURN (RFC 8656) carry them. Pure data and its
 * text forms; host names are not transport addresses and are resolved before they come here.
 */
import { isIPv4, isIPv6 } from "./ipAddress.ts"

/** An IP literal (dotted quad, or IPv6 in its RFC 5952 form without brackets or zone) and a port of 0..65535. */
export interface TransportAddress {
  readonly host: string
  readonly port: number
}

/** `1.2.3.4:5` or `[2001:db8::1]:5`. */
export const format = ({ host, port }: TransportAddress): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

/** Whether a datagram can go to this port; 0 only asks for a free one when a socket is bound. */
export const isPort = (port: number): boolean => Number.isInteger(port) && port >= 1 && port <= 0xffff

/** Compares text: both hosts must be in their canonical spelling. */
export const equals = (a: TransportAddress, b: TransportAddress): boolean => a.port === b.port && a.host === b.host

/** Which address family a literal belongs to; `undefined` when it is no IP literal. */
export const family = (host: string): 4 | 6 | undefined => (isIPv4(host) ? 4 : isIPv6(host) ? 6 : undefined)
