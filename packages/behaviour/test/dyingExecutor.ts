import type { NetworkFixture } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { question } from './nodes.ts';
import { findAndAsk, planet, serve, star } from './simNodes.ts';

const nodes = ['v', 'e0', 'e1', 'c0', 'c1'];
const thinkMs = 20_000;

/** How an executor dies. */
export interface Death {
  /** Whether its machine dies with it, so that nobody is told. */
  readonly isSilent: boolean;
  /** For how long nothing more may happen afterwards; longer than a request may take. */
  readonly idleMs: number;
}

/** An executor dies while it answers: each request ends once, and another one serves. */
export async function dieAnswering(
  createNetwork: NetworkFixture['createNetwork'],
  { isSilent, idleMs }: Death,
): Promise<void> {
  const network = await createNetwork({ nodes, link: planet, createNode: star() });
  const [dying, other] = [network.node('e0'), network.node('e1')];
  for (const node of [dying, other]) await network.run(serve(node, network.clock, thinkMs));
  await network.runFor(10_000);
  const ends: string[] = [];
  for (const name of ['c0', 'c1']) {
    const client = network.node(name);
    const message = await question(client.identity, dying.peerId);
    const { result } = client.stream(dying.peerId, message);
    result.then(
      () => ends.push(`${name} answered`),
      (error: { code: string }) => ends.push(`${name} ${error.code}`),
    );
  }
  await network.runFor(5_000);
  expect(ends).toEqual([]);
  network.crash('e0', { isSilent });
  const diedAtMs = network.clock.elapsed();
  await network.runUntil(() => ends.length === 2, { timeoutMs: 120_000 });
  // Told by a reset within a delay, or by a ping that stays without an answer.
  expect(network.clock.elapsed() - diedAtMs).toBeLessThan(isSilent ? 56_000 : 2_000);
  expect(ends.toSorted((a, b) => a.localeCompare(b))).toEqual([
    'c0 CONNECTION_CLOSED',
    'c1 CONNECTION_CLOSED',
  ]);
  for (const name of ['c0', 'c1']) {
    const { by, text } = await network.run(findAndAsk(network.node(name)));
    expect([by, text]).toEqual([other.peerId, 'to be or not']);
  }
  await network.runFor(idleMs);
  expect(ends).toHaveLength(2);
  expect(network.node('c0').pendingRequests()).toEqual([]);
}
