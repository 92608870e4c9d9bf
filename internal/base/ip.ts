/**
 * Ip: addresses of the internet protocol as bytes, ranges of them, and which of them
 * are the public internet's.
 *
 * All are sixteen bytes: an IPv4 address is what IPv6 maps it to (::ffff:a.b.c.d), so
 * that there is one way to write each, and no second one to slip through.
 */

/** Sixteen bytes. */
export type Ip = readonly number[];

/** All addresses with the same first bits, on one port or on any. */
export interface IpRange {
  readonly ip: Ip;
  readonly bits: number;
  /** Null means any. */
  readonly port: number | null;
}

const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
const MAPPED_BITS = 96;
const IP_BITS = 128;
const PORT_MAX = 65_535;

/** Reads an address as a resolver writes it; undefined for what is none. */
export function parseIp(text: string): Ip | undefined {
  return text.includes(":") ? parseV6(text) : parseV4(text);
}

/** Reads "10.0.0.0/8", "192.168.1.10", "192.168.1.10:8080", "[fd00::]/8" or "[::1]:80"; undefined for what is none. */
export function parseIpRange(text: string): IpRange | undefined {
  const match =
    /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)|([0-9a-f:.]+:[0-9a-f:.]*))(?:\/(\d{1,3}))?(?::(\d{1,5}))?$/i.exec(text);
  if (!match) return undefined;
  const [, bracketed, v4, v6, length, portText] = match;
  const ip = parseIp(bracketed ?? v4 ?? v6 ?? "");
  const most = v4 === undefined ? IP_BITS : IP_BITS - MAPPED_BITS;
  const bits = Number(length ?? most);
  const port = portText === undefined ? null : Number(portText);
  if (!ip || bits > most || (port !== null && (port < 1 || port > PORT_MAX))) return undefined;
  return { ip, bits: bits + IP_BITS - most, port };
}

/** True when the range holds the address, whatever the port. */
export function holds({ ip, bits }: IpRange, address: Ip): boolean {
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (ip[i] !== address[i]) return false;
  const mask = (0xff00 >> (bits & 7)) & 0xff;
  return ((ip[whole] ?? 0) & mask) === ((address[whole] ?? 0) & mask);
}

/** True for an address that only somebody on the internet can have. */
export function isPublic(address: Ip): boolean {
  return PUBLIC.some((range) => holds(range, address)) && !NOT_PUBLIC.some((range) => holds(range, address));
}

function range(text: string): IpRange {
  const found = parseIpRange(text);
  if (!found) throw new Error(`${text} is no range of addresses`);
  return found;
}

/** What has been given out at all: IPv4, and the part of IPv6 that is routed. Not :: and ::1, fc00::/7, fe80::/10, ff00::/8, and 64:ff9b::/96, which leads into IPv4. */
const PUBLIC = ["0.0.0.0/0", "2000::/3"].map(range);

/** IANA's special-purpose registries, and one address that looks public. */
const NOT_PUBLIC = [
  "0.0.0.0/8", // This host.
  "10.0.0.0/8", // Private.
  "100.64.0.0/10", // Between a provider and its customers; some clouds' metadata.
  "127.0.0.0/8", // Loopback.
  "168.63.129.16", // Azure's own services, seen by its machines alone.
  "169.254.0.0/16", // Link-local; most clouds' metadata.
  "172.16.0.0/12", // Private.
  "192.0.0.0/24", // Protocol assignments; Oracle's metadata.
  "192.0.2.0/24", // Documentation.
  "192.88.99.0/24", // Relays into IPv6.
  "192.168.0.0/16", // Private.
  "198.18.0.0/15", // Benchmarks of networks.
  "198.51.100.0/24", // Documentation.
  "203.0.113.0/24", // Documentation.
  "224.0.0.0/4", // Multicast.
  "240.0.0.0/4", // Reserved, and broadcast.
  "2001::/23", // Protocol assignments; Teredo, which leads into IPv4.
  "2001:db8::/32", // Documentation.
  "2002::/16", // 6to4, which leads into IPv4.
  "3fff::/20", // Documentation.
].map(range);

function parseV4(text: string): Ip | undefined {
  const parts = text.split(".").map((part) => (/^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256));
  if (parts.length !== 4 || parts.some((part) => part > 255)) return undefined;
  return [...MAPPED, ...parts];
}

function parseV6(text: string): Ip | undefined {
  const [plain = ""] = text.split("%"); // Which network card it is on.
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(plain);
  const v4 = tail && parseV4(tail[2] ?? "");
  if (tail && !v4) return undefined;
  const hex = v4 ? `${tail[1]}${wordsOf(v4.slice(12))}` : plain;
  const [head = "", end, more] = hex.split("::");
  if (more !== undefined) return undefined;
  const [first, last] = [groupsOf(head), end === undefined ? [] : groupsOf(end)];
  if (!first || !last) return undefined;
  const missing = 8 - first.length - last.length;
  if (end === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...first, ...Array.from({ length: missing }, () => 0), ...last];
  return groups.flatMap((group) => [group >> 8, group & 0xff]);
}

function groupsOf(text: string): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  return parts.every((part) => /^[0-9a-f]{1,4}$/i.test(part))
    ? parts.map((part) => Number.parseInt(part, 16))
    : undefined;
}

function wordsOf([a = 0, b = 0, c = 0, d = 0]: Ip): string {
  return [(a << 8) | b, (c << 8) | d].map((word) => word.toString(16)).join(":");
}
