import type { Candidate } from './ballot.ts';
import type { Endpoint, ReachabilityView, SeenIp, Sighting } from './reachabilityNetwork.ts';

/** Addresses that are tried at most: each takes a turn of some peers. */
export const maxCandidates = 8;
/** Peers that must agree on an IP address, unless only one is there to say: strangers may say anything. */
const neededVoices = 2;
/** IP addresses that are believed of each family. */
const maxSeenIps = 2;
/** How many of the first one's voices the second must have: two strangers outvote nobody. */
const neededShare = 0.5;

/**
 * What may be this node's addresses outside, the likeliest first: what the user announces, each listening port at the IP
 * addresses that peers agree on, then where it listens. A forwarded port, or a machine whose address is translated one to one,
 * is found by the second. Loopback addresses count only where there are no others: nobody elsewhere can mean them.
 */
export function candidatesOf(view: ReachabilityView, onlyGlobalIps: boolean): Candidate[] {
  const { announced, listening } = view;
  const seen = agreedIps(view.sightings).flatMap((seenIp) => endpointsAt(seenIp, listening));
  const own = new Set([...announced, ...listening].map(({ address }) => address));
  const all = [...announced, ...seen, ...listening];
  const wanted = farOf(all.filter(({ scope }) => !onlyGlobalIps || scope === 'global'));
  const candidates = new Map(wanted.map((each) => [each.address, { ...each, isOwn: own.has(each.address) }]));
  return [...candidates.values()].slice(0, maxCandidates);
}

/** Without those of this machine alone, unless there are no others. */
function farOf<T extends SeenIp>(all: readonly T[]): readonly T[] {
  const far = all.filter(({ scope }) => scope !== 'loopback');
  return far.length > 0 ? far : all;
}

/** The IP addresses on which at least two peers of different IP addresses agree, or the only one that there is. */
function agreedIps(sightings: readonly Sighting[]): SeenIp[] {
  return ([4, 6] as const).flatMap((family) => {
    // Each IP address has one voice: its last one.
    const told = farOf(sightings.filter((each) => each.family === family));
    const voices = new Map(told.map((each) => [each.by, each]));
    const counts = new Map<string, { readonly seen: SeenIp; readonly voices: number }>();
    for (const { ip, scope } of voices.values()) {
      counts.set(ip, { seen: { ip, family, scope }, voices: (counts.get(ip)?.voices ?? 0) + 1 });
    }
    const most = Math.max(0, ...[...counts.values()].map((each) => each.voices));
    return [...counts.values()]
      .filter((each) => each.voices >= Math.max(Math.min(neededVoices, voices.size), most * neededShare))
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
