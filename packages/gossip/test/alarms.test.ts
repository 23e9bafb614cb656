import { describe, expect, it } from 'vitest';
import { GossipTopic } from '../src/types.ts';
import { collect, createService, crowd, incoming, inputs, peerIds } from './fakes.ts';

const { NetworkStatus } = GossipTopic;

async function listening() {
  const at = await createService();
  await at.service.subscribeTopic(NetworkStatus);
  at.router.link(NetworkStatus, crowd(5), crowd(4));
  let sequence = 0;
  const say = (author: string, offsetMs: number): unknown => {
    const stamp = { timestampMs: at.clock.now() + offsetMs, sequence: ++sequence };
    return at.hear(incoming(NetworkStatus, { ...inputs.metrics, ...stamp }, { author }));
  };
  const degraded = collect(at.service, 'gossip:degraded');
  const recovered = collect(at.service, 'gossip:recovered');
  return { ...at, say, degraded, recovered };
}

describe('a node whose clock is wrong', () => {
  it.each([
    [600_000, '10 minutes ahead of'],
    [-90_000, '90 seconds behind'],
  ])('tells so when most others are %i ms away, with how far', async (offsetMs, text) => {
    const { say, degraded, recovered, clock, service } = await listening();
    for (const [at, author] of crowd(3).entries()) void say(author, offsetMs + at * 500);
    expect(degraded).toMatchObject([
      { reason: 'CLOCK_SKEW', topicPeers: 5, meshPeers: 4, hint: expect.stringContaining(text) },
    ]);
    expect(degraded[0]).not.toHaveProperty('topic');
    expect(service.snapshot().alarms).toEqual(['CLOCK_SKEW']);
    await clock.advance(20_000);
    void say('peer-0', offsetMs);
    await clock.advance(29_999);
    expect(recovered).toEqual([]);
    await clock.advance(1);
    expect(recovered).toEqual([{ reason: 'CLOCK_SKEW', degradedMs: 50_000 }]);
    expect(service.snapshot().alarms).toEqual([]);
    expect(degraded).toHaveLength(1);
  });

  it('is not this one when only few others are off', async () => {
    const { say, degraded } = await listening();
    for (const author of crowd(5)) void say(author, 0);
    for (const author of ['x', 'y', 'z']) void say(author, 600_000);
    expect(degraded).toEqual([]);
  });

  it('is not this one when one author repeats itself, or each is off by something else', async () => {
    const { say, degraded } = await listening();
    for (let times = 0; times < 10; times++) void say(peerIds.bob, 600_000);
    for (const [at, author] of crowd(6).entries()) void say(author, (at + 2) * -100_000);
    expect(degraded).toEqual([]);
  });

  it('is not judged by what was heard long ago', async () => {
    const { say, degraded, clock } = await listening();
    for (const author of crowd(2)) void say(author, 600_000);
    await clock.advance(300_001);
    void say('peer-2', 600_000);
    expect(degraded).toEqual([]);
  });

  it('is told nothing more when the service stops', async () => {
    const { say, recovered, clock, service } = await listening();
    for (const author of crowd(3)) void say(author, 600_000);
    await service.stop();
    await clock.advance(60_000);
    expect(recovered).toEqual([]);
    expect(clock.pending).toBe(0);
    await service.start();
    expect(service.snapshot().alarms).toEqual([]);
  });
});
