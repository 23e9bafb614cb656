import { describe, expect, it } from 'vitest';
import { GossipTopic } from '../src/types.ts';
import { createService, FakeMeter, incoming, inputs, peerIds } from './fakes.ts';

const { ExecutorAnnouncements, NetworkStatus, PriceUpdates } = GossipTopic;
const { bob, carol } = peerIds;

async function metered() {
  const meter = new FakeMeter();
  const at = await createService({ meter });
  return { ...at, meter };
}

describe('the figures of the service', () => {
  it('are 0 from the start, for every topic and reason', async () => {
    const { meter } = await metered();
    const topics = [...Object.values(GossipTopic), 'custom'];
    const named = (name: string): string[] => meter.known.filter((key) => key.startsWith(`${name} `));
    for (const name of ['gossip_published_total', 'gossip_received_total'])
      expect(named(name).toSorted()).toEqual(topics.map((topic) => `${name} ${topic}`).toSorted());
    expect(named('gossip_dropped_total')).toHaveLength(11);
    expect(named('messages_total')).toEqual(['messages_total gossip sent', 'messages_total gossip received']);
    expect(meter.totals).toEqual({});
  });

  it('tell how long messages took, and nothing of those that do not say so', async () => {
    const { clock, hear, meter, service } = await metered();
    for (const topic of [PriceUpdates, 'plain']) await service.subscribeTopic(topic);
    const price = (aheadMs: number, sequence: number) =>
      incoming(PriceUpdates, {
        ...inputs.price,
        peerId: bob,
        timestampMs: clock.now() + aheadMs,
        sequence,
      });
    for (const [at, aheadMs] of [-1_500, 0, 2_000].entries())
      expect(hear(price(aheadMs, at + 1))).toBe('accept');
    expect(hear(price(-60_001, 9))).toBe('ignore');
    expect(hear(incoming('plain', new Uint8Array([1])))).toBe('accept');
    expect(meter.values).toEqual({ [`gossip_delay_seconds ${PriceUpdates}`]: [1.5, 0, 0] });
  });

  it('tell the links of subscribed topics, those of users together', async () => {
    const { meter, router, service } = await metered();
    for (const topic of [NetworkStatus, 'one', 'two']) await service.subscribeTopic(topic);
    router.link(NetworkStatus, [bob, carol], [bob]);
    router.link('one', [bob]);
    router.link('two', [bob, carol]);
    expect(meter.read('gossip_topic_peers')).toEqual({ [NetworkStatus]: 2, custom: 3 });
    expect(meter.read('gossip_mesh_peers')).toEqual({ [NetworkStatus]: 1, custom: 3 });
    await service.stop();
    expect(meter.read('gossip_mesh_peers')).toEqual({});
  });

  it('tell what is degraded, and why', async () => {
    const { clock, meter, router, service } = await metered();
    const well = { NO_PEERS: 0, NO_MESH: 0, THIN_MESH: 0, OVERLOADED: 0, CLOCK_SKEW: 0 };
    for (const topic of [ExecutorAnnouncements, NetworkStatus]) await service.subscribeTopic(topic);
    expect(meter.read('gossip_degraded')).toEqual(well);
    await clock.advance(10_000);
    expect(meter.read('gossip_degraded')).toEqual({ ...well, NO_PEERS: 2 });
    router.link(NetworkStatus, [bob]);
    expect(meter.read('gossip_degraded')).toEqual({ ...well, NO_PEERS: 1 });
    await service.stop();
    expect(meter.read('gossip_degraded')).toEqual(well);
  });

  it('tell of an alarm of the whole node', async () => {
    const meter = new FakeMeter();
    const { hear, service } = await createService({ meter, maxPendingValidations: 1 });
    const validate = (): Promise<'accept'> => Promise.resolve('accept');
    await service.createTopic('slow', { validate }).subscribe();
    const heard = [1, 2, 3].map((value) =>
      hear(incoming('slow', new Uint8Array([value]), { sequenceNumber: BigInt(value) })),
    );
    expect(meter.read('gossip_degraded')['OVERLOADED']).toBe(1);
    await Promise.allSettled(heard.map(async (verdict) => verdict));
  });
});

describe('the trace of messages', () => {
  it('tells of each message whence it came and how large it is, and never what is in it', async () => {
    const { clock, hear, router, service } = await createService();
    await service.subscribeTopic(PriceUpdates);
    const message = incoming(
      PriceUpdates,
      { ...inputs.price, timestampMs: clock.now(), sequence: 1 },
      { source: carol },
    );
    expect(hear(message)).toBe('accept');
    expect(router.traced).toEqual([]);
    router.isTraced = true;
    expect(hear(message)).toBe('ignore');
    router.link('plain', [bob]);
    await service.publishMessage('plain', new Uint8Array(3));
    expect(hear(incoming('plain', new Uint8Array([1, 2]), { sequenceNumber: 7n }))).toBe('accept');
    router.watcher?.onDropped(carol, 'malformed');
    const bytes = message.data.length;
    expect(router.traced).toEqual([
      {
        text: 'dropped a message',
        ...{ topic: PriceUpdates, peerId: bob, receivedFrom: carol, bytes, reason: 'replayed' },
      },
      { text: 'published a message', topic: 'plain', messageId: '0', bytes: 3, recipients: 1 },
      { text: 'accepted a message', topic: 'plain', peerId: bob, receivedFrom: bob, bytes: 2 },
      { text: 'dropped a message', peerId: carol, reason: 'malformed' },
    ]);
  });
});
