import type { Endpoint, ReachabilityView, SeenIp, Sighting } from './reachabilityNetwork.ts';

/** Addresses that are tried at most: a question is to stay small, and each takes a turn of some peer. */
export const maxCandidates = 8;
/** Peers that must agree on an IP address, unless only one is there to say: strangers may say anything. */
const neededVoices = 2;
/** IP addresses that are believed of each family. */
const maxSeenIps = 2;

/**
 * What may be this node's addresses outside, the likeliest first: what the user announces, each listening port at the IP
 * addresses that peers agree on, then where it listens. A forwarded port, or a machine whose address is translated one to one,
 * is found by the second. Without `onlyGlobalIps` those of this machine alone come last.
 */
export function candidatesOf(view: ReachabilityView, onlyGlobalIps: boolean): string[] {
  const { announced, listening } = view;
  const seen = agreedIps(view.sightings).flatMap((seenIp) => endpointsAt(seenIp, listening));
  const [far, near] = [listening.filter((each) => !isLocal(each)), listening.filter(isLocal)];
  const all = [...announced, ...seen, ...far, ...near];
  const wanted = all.filter(({ scope }) => !onlyGlobalIps || scope === 'global');
  return [...new Set(wanted.map(({ address }) => address))].slice(0, maxCandidates);
}

const isLocal = ({ scope }: SeenIp): boolean => scope === 'loopback';

/** The IP addresses on which at least two peers of different IP addresses agree, or the only one that there is. */
function agreedIps(sightings: readonly Sighting[]): SeenIp[] {
  return ([4, 6] as const).flatMap((family) => {
    // Each IP address has one voice: its last one.
    const voices = new Map(sightings.filter((each) => each.family === family).map((each) => [each.by, each]));
    const counts = new Map<string, { readonly seen: SeenIp; readonly voices: number }>();
    for (const { ip, scope } of voices.values()) {
      counts.set(ip, { seen: { ip, family, scope }, voices: (counts.get(ip)?.voices ?? 0) + 1 });
    }
    return [...counts.values()]
      .filter((each) => each.voices >= Math.min(neededVoices, voices.size))
      .toSorted((a, b) => b.voices - a.voices)
      .slice(0, maxSeenIps)
      .map(({ seen }) => seen);
  });
}

/** Every listening port of a family, at another IP address. */
function endpointsAt(seen: SeenIp, listening: readonly Endpoint[]): Endpoint[] {
  return listening
    .filter(({ family }) => family === seen.family)
    .map(({ address, ip }) => ({
      ...seen,
      address: address.replace(`/ip${seen.family}/${ip}/`, `/ip${seen.family}/${seen.ip}/`),
    }));
}
