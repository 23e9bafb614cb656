import { createHash, randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { LloomBehaviour } from '@lloom/behaviour';
import { errorText } from '@lloom/core';
import { CID } from 'multiformats/cid';
import { create } from 'multiformats/hashes/digest';
import { counted, fail, ok, skip, spoken, warn, type Judgement } from './finding.ts';
import { within, type Bound } from './waiting.ts';

/** What became of a record that was put into the DHT. */
export interface DhtFacts {
  /** How many peers are connected. */
  readonly peers: number;
  /** Whether the node has an address that others keep: without one they drop its records. */
  readonly hasAddress: boolean;
  /** How many peers took part in a query. */
  readonly asked: number;
  /** How many peers were handed the record. */
  readonly handedTo: number;
  /** Who gave it back. */
  readonly foundAt?: string;
  /** How long putting and finding took, in ms. */
  readonly putMs: number;
  readonly foundMs?: number;
  /** Why it ended early. */
  readonly problem?: string;
}

const maxTries = 3;
const pauseMs = 500;

// Of multicodec: raw bytes, and sha2-256, the only hash that others take.
const raw = 0x55;
const sha256 = 0x12;

/** A key that nobody has used, so that nothing of anybody is touched. */
function throwAwayKey(): CID {
  const digest = createHash('sha256').update(randomBytes(32)).digest();
  return CID.createV1(raw, create(sha256, digest));
}

/** Puts a record of the node under a throw-away key, and looks for it at others. */
export async function tryDht(
  node: LloomBehaviour,
  { peers, hasAddress }: Pick<DhtFacts, 'peers' | 'hasAddress'>,
  bound: Bound,
): Promise<DhtFacts> {
  const { kad, peerId: self } = node;
  const answered = new Set<string>();
  const handed = new Set<string>();
  let putMs = 0;
  let found: Pick<DhtFacts, 'foundAt' | 'foundMs'> = {};
  const facts = (problem?: string): DhtFacts => {
    const counts = { asked: answered.size, handedTo: handed.size };
    return { peers, hasAddress, ...counts, putMs, ...found, ...(problem !== undefined && { problem }) };
  };
  if (peers === 0) return facts();
  const key = throwAwayKey();
  const round = async (signal: AbortSignal): Promise<void> => {
    const startedAt = performance.now();
    for await (const event of kad.provide(key, { signal })) {
      if (event.name !== 'PEER_RESPONSE') continue;
      answered.add(event.from.toString());
      if (event.messageName === 'ADD_PROVIDER') handed.add(event.from.toString());
    }
    putMs = performance.now() - startedAt;
    // Nobody says when a record is stored: it may be asked for too early.
    for (let tries = 0; tries < maxTries && found.foundAt === undefined; tries++) {
      if (tries > 0) await setTimeout(pauseMs, undefined, { signal });
      for await (const event of kad.findProviders(key, { signal })) {
        if (event.name !== 'PEER_RESPONSE') continue;
        const from = event.from.toString();
        // The node knows its own records without asking.
        if (from === self || !event.providers.some(({ id }) => id.toString() === self)) continue;
        found = { foundAt: from, foundMs: performance.now() - startedAt - putMs };
        return;
      }
    }
  };
  try {
    await within(bound, round);
    return facts();
  } catch (error) {
    const isLate = error instanceof Error && ['TimeoutError', 'AbortError'].includes(error.name);
    return facts(isLate ? `no end within ${spoken(bound.ms)}` : errorText(error));
  }
}

/** Whether others keep what the node says of itself, and give it back. */
export function judgeDht(facts: DhtFacts): Judgement {
  const { peers, hasAddress, asked, handedTo, foundAt, putMs, foundMs = 0, problem } = facts;
  if (peers === 0) return skip('nobody is connected who could keep a record');
  if (foundAt !== undefined)
    return ok(
      `a record was put to ${counted(handedTo, 'peer')} in ${spoken(putMs)} and given back by ${foundAt} in ${spoken(foundMs)}`,
    );
  const end = problem === undefined ? '' : ` (${problem})`;
  if (asked === 0)
    return fail(
      `no peer answers queries of the DHT${end}`,
      'Check that the bootstrap peers are of this network: with another protocol of the DHT nobody answers.',
    );
  if (!hasAddress)
    return warn(
      `${counted(asked, 'peer')} answered queries, but nobody keeps records of a node without an address that they can dial${end}`,
      'Have the node reached: see announce, reachability and relay.',
    );
  return fail(
    `a record was put to ${counted(handedTo, 'peer')}, and nobody gives it back${end}`,
    'Others will not find what this node offers: join through more peers, and try again in a minute.',
  );
}
