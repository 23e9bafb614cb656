/**
 * Addresses that lead no further than the local network: RFC 1918, link-local, unique local (fc00::/7), and this machine
 * itself, where several nodes may run.
 */
const local =
  /^\/(?:ip4\/(?:10|127|169\.254|172\.(?:1[6-9]|2\d|3[01])|192\.168)\.|(?:ip6zone\/[^/]+\/)?ip6\/(?:f[cd][\da-f]{2}:|fe[89ab][\da-f]:|::1\/))/i;

/** Addresses of one peer that are dialled: an announcement has room for some dozens. */
const maxAddresses = 16;

/**
 * Of what a peer announces, the addresses that may be dialled. Announcements are neither signed nor encrypted: whoever is
 * heard could name a machine anywhere, and everybody who hears it would dial there. So names and public addresses do not
 * count, and neither does a way through a relay.
 */
export function localAddresses(addresses: readonly string[]): readonly string[] {
  const isLocal = (address: string): boolean => local.test(address) && !address.includes('/p2p-circuit');
  return [...new Set(addresses.filter(isLocal))].slice(0, maxAddresses);
}
