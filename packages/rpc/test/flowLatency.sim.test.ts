import { test } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { mebibyte, pattern } from './sessionProbes.ts';
import { bytesProtocol } from './sessionServices.ts';
import { createPair, pause } from './simulation.ts';

/** 100 Mbit/s, 10 ms each way. */
const link = { delayMs: 10, bandwidthBytesPerSecond: 12_500_000 };
const body = pattern(10 * mebibyte);
/** How long a body takes by itself, at least. */
const bodyMs = (body.length / link.bandwidthBytesPerSecond) * 1_000;

const ways = [
  ['fast', 'up'],
  ['full', 'up'],
  ['fast', 'down'],
  ['full', 'down'],
] as const;

for (const [fidelity, way] of ways)
  test(`a ping beside 10 MiB on their way ${way} a ${fidelity} link is late by less than ten milliseconds, and they by next to nothing`, async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, { fidelity, link });
    await executor.rpc.addProtocol(bytesProtocol('/up/1', () => new Uint8Array(1)));
    await executor.rpc.addProtocol(bytesProtocol('/down/1', () => body));
    const timed = async (request: Promise<unknown>): Promise<number> => {
      const startMs = performance.now();
      await request;
      return performance.now() - startMs;
    };
    const ping = (): Promise<number> => timed(asker.rpc.request(executor.peerId, { type: 'ping' }));
    await network.run(ping());
    const aloneMs = await network.run(ping());
    expect(aloneMs).toBeCloseTo(20, 0);

    const state = { isDone: false };
    const pings: number[] = [];
    const pingOn = async (): Promise<void> => {
      while (!state.isDone) {
        pings.push(await ping());
        await pause(7);
      }
    };
    const question = way === 'up' ? body : new Uint8Array(1);
    const transfer = timed(asker.rpc.callProtocol(executor.peerId, bytesProtocol(`/${way}/1`), question));
    const [transferMs] = await network.run(
      Promise.all([transfer.finally(() => (state.isDone = true)), pingOn()]),
    );
    expect(pings.length).toBeGreaterThan(8);
    expect(Math.max(...pings) - aloneMs).toBeLessThan(10);
    expect(transferMs).toBeGreaterThan(bodyMs);
    expect(transferMs).toBeLessThan(1.06 * bodyMs);
  });
