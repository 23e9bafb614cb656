/** Where an IP address can be reached from. */
export type IpScope =
  | 'loopback'
  | 'private'
  | 'linkLocal'
  | 'public'
  | 'reserved'
  | 'unspecified'
  | 'multicast';

/** IANA's special-purpose registries of IPv4, the narrowest first; everything else is public. */
const ranges4: readonly (readonly [prefix: string, bits: number, scope: IpScope])[] = [
  ['0.0.0.0', 32, 'unspecified'],
  ['255.255.255.255', 32, 'multicast'],
  ['192.0.0.0', 24, 'reserved'],
  ['192.0.2.0', 24, 'reserved'],
  ['192.88.99.0', 24, 'reserved'],
  ['198.51.100.0', 24, 'reserved'],
  ['203.0.113.0', 24, 'reserved'],
  ['169.254.0.0', 16, 'linkLocal'],
  ['192.168.0.0', 16, 'private'],
  ['198.18.0.0', 15, 'reserved'],
  ['172.16.0.0', 12, 'private'],
  // Addresses that providers share among customers, and that overlay networks use.
  ['100.64.0.0', 10, 'private'],
  ['0.0.0.0', 8, 'reserved'],
  ['10.0.0.0', 8, 'private'],
  ['127.0.0.0', 8, 'loopback'],
  ['224.0.0.0', 4, 'multicast'],
  ['240.0.0.0', 4, 'reserved'],
];

/** The same of IPv6, the narrowest first. What is left is public inside 2000::/3 and reserved outside. */
const ranges6: readonly (readonly [prefix: string, bits: number, scope: IpScope])[] = [
  ['::', 128, 'unspecified'],
  ['::1', 128, 'loopback'],
  ['64:ff9b:1::', 48, 'private'],
  ['2001:db8::', 32, 'reserved'],
  ['2001::', 23, 'reserved'],
  ['3fff::', 20, 'reserved'],
  ['fe80::', 10, 'linkLocal'],
  ['fec0::', 10, 'private'],
  ['ff00::', 8, 'multicast'],
  ['fc00::', 7, 'private'],
  ['2000::', 3, 'public'],
  ['::', 0, 'reserved'],
];

/** IPv6 addresses that carry an IPv4 address, which is then the one that is reached, and how far it is from the end. */
const carriers: readonly (readonly [prefix: string, bits: number, shift: bigint])[] = [
  ['::ffff:0:0', 96, 0n],
  ['64:ff9b::', 96, 0n],
  ['2002::', 16, 80n],
];

/** Where an IPv4 address, as text, can be reached from. */
export function scopeOfIp4(text: string): IpScope {
  return scopeOf4(parse4(text));
}

/** Where an IPv6 address, as text, can be reached from. One that carries an IPv4 address is judged as that. */
export function scopeOfIp6(text: string): IpScope {
  const value = parse6(text);
  const carrier = carriers.find(([prefix, bits]) => isWithin(value, parse6(prefix), 128 - bits));
  if (carrier !== undefined) return scopeOf4((value >> carrier[2]) & 0xffff_ffffn);
  const range = ranges6.find(([prefix, bits]) => isWithin(value, parse6(prefix), 128 - bits));
  return range?.[2] ?? 'reserved';
}

/** The IPv4 address as one word for all its spellings; `undefined` when it is of this machine. */
export function networkOfIp4(text: string): string | undefined {
  return networkOf4(parse4(text));
}

/**
 * The network of 64 bits that an IPv6 address is in, which one subscriber has for himself: `undefined` when it is of this
 * machine. One that stands for an IPv4 address is that.
 */
export function networkOfIp6(text: string): string | undefined {
  const value = parse6(text);
  const isTranslated = ['::ffff:0:0', '64:ff9b::'].some((prefix) => isWithin(value, parse6(prefix), 32));
  if (isTranslated) return networkOf4(value & 0xffff_ffffn);
  return value === 1n ? undefined : `${(value >> 64n).toString(16)}/64`;
}

const networkOf4 = (value: bigint): string | undefined =>
  scopeOf4(value) === 'loopback' ? undefined : value.toString(16);

function scopeOf4(value: bigint): IpScope {
  const range = ranges4.find(([prefix, bits]) => isWithin(value, parse4(prefix), 32 - bits));
  return range?.[2] ?? 'public';
}

const isWithin = (value: bigint, prefix: bigint, hostBits: number): boolean =>
  value >> BigInt(hostBits) === prefix >> BigInt(hostBits);

function parse4(text: string): bigint {
  return text.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function parse6(text: string): bigint {
  const plain = text.replace(/%.*$/, '').replace(/\d+\.\d+\.\d+\.\d+$/, (dotted) => {
    const value = parse4(dotted);
    return `${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`;
  });
  const [head = '', tail = ''] = plain.split('::');
  const left = head.split(':').filter(Boolean);
  const right = tail.split(':').filter(Boolean);
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0');
  return [...left, ...zeros, ...right].reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}
