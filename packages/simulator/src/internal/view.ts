import type { LloomBehaviour, PricingInfo, ServiceType } from '@lloom/behaviour';
import type { Measurement } from '../measures.ts';
import { offerOf } from './roles.ts';
import type { SimNode } from './simNode.ts';

/** Beyond so many pairs of nodes, shares are taken of so many of them, always the same. */
const maxPairs = 20_000;

/** What discovery of a node believes: asks nobody. */
interface Believing {
  readonly services: {
    readonly discovery: { servicesOf(peerId: string): readonly ServiceType[] };
  };
}

/** Who is connected with whom. */
export interface Connections {
  readonly up: readonly SimNode[];
  /** Pairs of places in `up`, the smaller one first. */
  readonly links: readonly (readonly [number, number])[];
}

/** Who is connected with whom among the nodes that are up. A connection counts when both of its ends hold it. */
export function connectionsOf(up: readonly SimNode[]): Connections {
  const places = new Map(up.map(({ peerId }, place) => [peerId, place]));
  const held = up.map(
    ({ behaviour }) => new Set(behaviour.connectedPeers().map((peerId) => places.get(peerId))),
  );
  const links = held.flatMap((others, place) =>
    [...others].flatMap((other) =>
      other !== undefined && other > place && held[other]!.has(place) ? [[place, other] as const] : [],
    ),
  );
  return { up, links };
}

/** How many nodes the largest part has whose nodes reach one another. */
export function largestPart({ up, links }: Connections): number {
  const parents = up.map((_, place) => place);
  const root = (place: number): number => {
    let at = place;
    while (parents[at] !== at) {
      parents[at] = parents[parents[at]!]!;
      at = parents[at]!;
    }
    return at;
  };
  for (const [a, b] of links) parents[root(a)] = root(b);
  const sizes = new Map<number, number>();
  for (const place of parents.keys()) sizes.set(root(place), (sizes.get(root(place)) ?? 0) + 1);
  return Math.max(0, ...sizes.values());
}

/** The share of the nodes that are up and in the largest part; of no nodes none. */
export const connectedShare = (connections: Connections): number =>
  connections.up.length === 0 ? 0 : largestPart(connections) / connections.up.length;

/** The table that nodes of fidelity `model` share; the DHT of others keeps nobody whom `peerInfo` does not know. */
interface TableShared {
  readonly routingTable?: { holds?(peerId: string): boolean };
}

/** Whether a node knows another one: has been connected to it, or heard of it. Once it does, it does until its next start. */
function knows({ behaviour, known }: SimNode, other: SimNode): boolean {
  if (known.has(other.index)) return true;
  const { routingTable } = behaviour.kad as TableShared;
  const isKnown =
    behaviour.peerInfo(other.peerId) !== undefined || routingTable?.holds?.(other.peerId) === true;
  if (isKnown) known.add(other.index);
  return isKnown;
}

/** Whether there are nodes, and every one knows every other one. */
export function allDiscovered(up: readonly SimNode[]): boolean {
  return up.length > 0 && up.every((node) => up.every((other) => other === node || knows(node, other)));
}

/** In which share of the pairs the first knows the second; one node alone knows all, and no nodes know none. */
export function discoveredShare(up: readonly SimNode[]): number {
  const { value, count } = shareOf(pairsOf(up, up), ([node, other]) => knows(node, other));
  return count > 0 ? value : up.length;
}

/** In which share of the pairs of a node and an executor the node knows what the executor offers, as it is now. */
export function offersSeenShare(up: readonly SimNode[]): Measurement {
  const executors = up.filter(({ role }) => role === 'executor');
  return shareOf(pairsOf(up, executors), ([node, executor]) => {
    const offer = offerOf(executor);
    return believed(node.behaviour, executor.peerId).some((service) => isSameOffer(service, offer));
  });
}

/** How many offers of executors that are down are still believed. */
export function staleOffers(up: readonly SimNode[], executors: readonly SimNode[]): Measurement {
  const gone = executors.filter(({ isUp, starts }) => !isUp && starts > 0);
  const pairs = up.flatMap((node) => gone.map((executor) => [node, executor] as const));
  const isBelieved = ([node, executor]: (typeof pairs)[number]): boolean =>
    believed(node.behaviour, executor.peerId).some(({ kind }) => kind === 'executor');
  return { value: pairs.filter(isBelieved).length, count: pairs.length };
}

function believed({ libp2p }: LloomBehaviour, peerId: string): readonly ServiceType[] {
  return (libp2p as unknown as Believing).services.discovery.servicesOf(peerId);
}

function isSameOffer(service: ServiceType, offer: ServiceType): boolean {
  if (service.kind !== 'executor' || offer.kind !== 'executor') return false;
  const isPrice = (a: PricingInfo | undefined, b: PricingInfo | undefined): boolean =>
    a?.inboundPrice === b?.inboundPrice && a?.outboundPrice === b?.outboundPrice;
  return (
    service.capacity === offer.capacity &&
    isPrice(service.pricing, offer.pricing) &&
    service.models.length === offer.models.length &&
    offer.models.every((model) => service.models.includes(model))
  );
}

type Pair = readonly [SimNode, SimNode];

/** All pairs of two different nodes, or as many as are looked at. */
function* pairsOf(first: readonly SimNode[], second: readonly SimNode[]): Generator<Pair> {
  const all = first.length * second.length;
  // A step that shares no factor with the count meets every pair once, if it goes on for long enough.
  const step = all > maxPairs ? primeStep(all) : 1;
  for (let taken = 0, place = 0; taken < Math.min(all, maxPairs); taken += 1, place = (place + step) % all) {
    const pair: Pair = [first[Math.floor(place / second.length)]!, second[place % second.length]!];
    if (pair[0] !== pair[1]) yield pair;
  }
}

/** A large prime that does not divide the count. */
const primeStep = (count: number): number =>
  [7_919, 104_729, 1_299_709].find((prime) => count % prime !== 0)!;

function shareOf(pairs: Iterable<Pair>, holds: (pair: Pair) => boolean): Measurement {
  let [count, held] = [0, 0];
  for (const pair of pairs) {
    count += 1;
    if (holds(pair)) held += 1;
  }
  return { value: count === 0 ? 0 : held / count, count };
}
