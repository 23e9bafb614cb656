import type { Clock, EvmAddress, Hex, Random } from '@lloom/core';

import { Identity } from '../../src/index.ts';

/** A published test key that everybody knows, and what belongs to it. */
export const knownKey = {
  privateKey: '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80' as Hex,
  publicKey: '0x038318535b54105d4a7aae60c08fc45f9687181b4fdfc625bd1a753fa7397fed75' as Hex,
  address: '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266' as EvmAddress,
  peerId: '16Uiu2HAmMUjGmiUhJeiZgu6ZZnLRkE2VViR2JgjqtW9aTZnHQqgg',
  peerIdBytes: '0x002508021221038318535b54105d4a7aae60c08fc45f9687181b4fdfc625bd1a753fa7397fed75' as Hex,
};

/** Time that stands still until it is told to go on. */
export class FakeClock implements Clock {
  #wall: number;
  #elapsed = 0;

  constructor(wall = 1_700_000_000_000) {
    this.#wall = wall;
  }

  now(): number {
    return this.#wall;
  }

  elapsed(): number {
    return this.#elapsed;
  }

  /** Lets time pass. */
  advance(ms: number): void {
    this.#wall += ms;
    this.#elapsed += ms;
  }

  /** Sets the wall clock, forward or back, while no time passes. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  setTimeout(): unknown {
    throw new Error('nothing here waits');
  }

  clearTimeout(): void {
    throw new Error('nothing here waits');
  }
}

/** Chance that repeats: the bytes of a counter. */
export function fakeRandom(start = 1): Random {
  let next = start;
  return {
    bytes: (length) => Uint8Array.from({ length }, () => next++ % 251),
    float: () => 0.5,
  };
}

/** Three parties and a clock that they share. */
export function createWorld() {
  const clock = new FakeClock();
  const party = (digit: string): Identity => Identity.fromPrivateKey(digit.repeat(64), { clock });
  return { clock, client: party('1'), executor: party('2'), stranger: party('3') };
}

/** What `action` throws or rejects with. */
export async function failureOf(action: () => unknown): Promise<unknown> {
  try {
    await action();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

/** The code of what `action` throws; `undefined` when it throws nothing. */
export async function codeOf(action: () => unknown): Promise<string | undefined> {
  try {
    await action();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
