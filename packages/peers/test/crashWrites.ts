import { draw } from '@lloom/core';
import type { StoredValues } from '../src/ports.ts';

/** How many writes are under way at a time. */
export const inFlight = 8;

type Kind = keyof StoredValues;
const kinds: readonly Kind[] = ['ban', 'addresses', 'maintained', 'reputation'];
const peers = 24;

/** One thing that the store is asked for. */
export interface Write {
  readonly index: number;
  readonly kind: Kind;
  readonly peerId: string;
  /** What tells a value from all others; absent for a deletion. */
  readonly stamp: number | undefined;
}

/** What the process that is killed says. */
export type Told =
  | { readonly event: 'opening' }
  | { readonly event: 'found'; readonly found: { readonly [K in Kind]: readonly [string, unknown][] } }
  | { readonly event: 'acknowledged'; readonly index: number }
  | { readonly event: 'log'; readonly message: string };

/** What is asked for one after the other, the same for a seed and another one for others. */
export function* writesOf(seed: number): Generator<Write, never> {
  let state = seed;
  const upTo = (limit: number): number => {
    const { chance, seed: next } = draw(state);
    state = next;
    return Math.floor(chance * limit);
  };
  for (let index = 0; ; index++) {
    const kind = kinds[upTo(kinds.length)]!;
    const peerId = `12D3KooW${upTo(peers)}`;
    yield { index, kind, peerId, stamp: upTo(4) === 0 ? undefined : seed * 1_000_000 + index };
  }
}

/** The value that a stamp stands for. */
export function writeOf(kind: Kind, stamp: number): StoredValues[Kind] {
  if (kind === 'maintained') return stamp;
  if (kind === 'addresses') return [`/ip4/127.0.0.1/tcp/${stamp}`, '/dns4/node.example/tcp/4001'];
  if (kind === 'ban') return { since: stamp, until: stamp + 1, reason: `number ${stamp}`, by: 'user' };
  return { at: stamp, facts: [{ fact: 'FLOOD', count: stamp, points: -5 / 3, lastAt: stamp }] };
}
