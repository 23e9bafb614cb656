/** How a host is connected to what stands for the internet. */
export type Kind =
  /** Its address is everybody's to dial. */
  | 'public'
  /** Behind a router that keeps the port where it can: only whom the host has written to may answer. */
  | 'port-restricted'
  /** Behind a router that gives every connection a port by chance. */
  | 'symmetric'
  /** Behind a router that hands one port on to the host. */
  | 'forwarded'
  /** Its address is public, and only answers come in. */
  | 'firewall';

/** The port at which hosts are dialled, and which a `forwarded` router hands on. */
export const listenPort = 4001;

/** What comes in unasked is dropped without a word, as home routers do. */
const answersOnly = 'ct state invalid drop; ct state established,related accept;';

const filter = (forwarded: string): string => `
table inet guard {
  chain inward { type filter hook input priority 0; policy drop; ${answersOnly} iifname { "lo", "lan" } accept; }
  chain onward { type filter hook forward priority 0; policy drop; ${answersOnly} iifname "lan" accept; ${forwarded} }
  chain outward { type filter hook output priority 0; policy accept; ct state invalid drop; }
}`;

const translation = (how: string, forwarded: string): string => `
table ip translation {
  chain arriving { type nat hook prerouting priority -100; ${forwarded} }
  chain leaving { type nat hook postrouting priority 100; oifname "wan" masquerade ${how}; }
}`;

/** The nftables rules of a router, or of a host that has none. */
export function rulesOf(kind: Exclude<Kind, 'public'>, inside: string): string {
  switch (kind) {
    case 'firewall':
      return filter('');
    case 'port-restricted':
      return filter('') + translation('', '');
    case 'symmetric':
      return filter('') + translation('fully-random', '');
    case 'forwarded': {
      const handedOn = `iifname "wan" tcp dport ${listenPort} dnat to ${inside}:${listenPort};`;
      return filter('iifname "wan" ct status dnat accept;') + translation('', handedOn);
    }
  }
}
