import type { PeersStore, StoredPeers, StoredValues } from '../ports.ts';
import type { FactExplanation } from '../types.ts';
import { factWeights } from './reputation.ts';

/** What is kept, the most important first: it is read in this order. */
export const storedKinds = Object.freeze(['ban', 'maintained', 'addresses', 'reputation'] as const);

/** Nothing. */
export const noPeers = (): { [K in keyof StoredValues]: Map<string, StoredValues[K]> } => ({
  ban: new Map(),
  maintained: new Map(),
  addresses: new Map(),
  reputation: new Map(),
});

/** Keeps nothing. */
export const noStore: PeersStore = Object.freeze({
  load: (): Promise<StoredPeers> => Promise.resolve(noPeers()),
  put: () => Promise.resolve(),
  delete: () => Promise.resolve(),
  settled: () => Promise.resolve(),
});

/** The last moment that a `Date` can name, in ms since 1970. */
const maxTimeMs = 8.64e15;
const maxReasonLength = 256;
const maxAddresses = 1_024;
const maxAddressLength = 4_096;
const maxPoints = 1_000;

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const isWithin = (value: unknown, from: number, to: number): value is number =>
  typeof value === 'number' && value >= from && value <= to;
const isTime = (value: unknown): value is number => isWithin(value, 0, maxTimeMs);
const isText = (value: unknown, maxLength: number): value is string =>
  typeof value === 'string' && value.length <= maxLength;

function banOf(value: unknown): StoredValues['ban'] | undefined {
  if (!isFields(value)) return undefined;
  const { since, until, reason, by } = value;
  if (!isTime(since) || !isTime(until) || (by !== 'user' && by !== 'reputation')) return undefined;
  if (reason === undefined) return { since, until, by };
  return isText(reason, maxReasonLength) ? { since, until, reason, by } : undefined;
}

function addressesOf(value: unknown): StoredValues['addresses'] | undefined {
  const isList = Array.isArray(value) && value.length <= maxAddresses;
  const isFine = isList && value.every((item) => isText(item, maxAddressLength) && item.startsWith('/'));
  return isFine ? (value as string[]) : undefined;
}

function factOf(value: unknown): FactExplanation | undefined {
  if (!isFields(value)) return undefined;
  const { fact, count, points, lastAt } = value;
  const isKnown = typeof fact === 'string' && Object.hasOwn(factWeights, fact);
  if (!isKnown || !isWithin(count, 0, Number.MAX_SAFE_INTEGER)) return undefined;
  if (!isWithin(points, -maxPoints, maxPoints) || !isTime(lastAt)) return undefined;
  return { fact: fact as FactExplanation['fact'], count, points, lastAt };
}

function reputationOf(value: unknown): StoredValues['reputation'] | undefined {
  if (!isFields(value) || !isTime(value['at']) || !Array.isArray(value['facts'])) return undefined;
  const facts = value['facts'].slice(0, Object.keys(factWeights).length + 1).map(factOf);
  const known = facts.filter((fact) => fact !== undefined);
  const isOnce = new Set(known.map(({ fact }) => fact)).size === facts.length;
  return isOnce ? { at: value['at'], facts: known } : undefined;
}

const readers: { readonly [K in keyof StoredValues]: (value: unknown) => StoredValues[K] | undefined } = {
  ban: banOf,
  addresses: addressesOf,
  maintained: (value) => (isTime(value) ? value : undefined),
  reputation: reputationOf,
};

/** A stored value that is what it must be; `undefined` for any other. Nothing that was stored is trusted. */
export function storedValueOf<K extends keyof StoredValues>(
  kind: K,
  value: unknown,
): StoredValues[K] | undefined {
  return readers[kind](value);
}
