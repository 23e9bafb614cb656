import { decodeGossipMessage } from '@lloom/codec';
import { describe, expect, it } from 'vitest';
import { GossipTopic } from '../src/types.ts';
import {
  createService,
  errorOf,
  FakeMeter,
  inputs,
  never,
  peerIds,
  settled,
  type FakeRouter,
} from './fakes.ts';

const { ExecutorAnnouncements, NetworkStatus, PriceUpdates } = GossipTopic;
const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);
const sentBytes = ({ sent }: FakeRouter): number[][] => sent.map(({ data }) => [...data]);

async function linked(given: Parameters<typeof createService>[0] = {}) {
  const at = await createService(given);
  for (const topic of [...Object.values(GossipTopic), 'plain']) at.router.link(topic, [peerIds.bob]);
  return at;
}

describe('publishing', () => {
  it('stamps a message of the network with this node, the time, and a sequence that grows by one', async () => {
    const { service, router, clock } = await linked();
    await service.publishMessage(ExecutorAnnouncements, inputs.available);
    await service.publishMessage(PriceUpdates, inputs.price);
    await service.publishMessage(NetworkStatus, inputs.metrics);
    const messages = router.sent.map(({ data }) => decodeGossipMessage(data));
    const stamp = (sequence: number) => ({
      timestampMs: clock.now(),
      sequence: clock.now() * 1_000 + sequence,
    });
    expect(messages).toEqual([
      { ...inputs.available, peerId: peerIds.alice, ...stamp(1) },
      { ...inputs.price, peerId: peerIds.alice, ...stamp(2) },
      { ...inputs.metrics, ...stamp(3) },
    ]);
  });

  it('gives the id and those to whom the message was handed', async () => {
    const { service } = await linked();
    const receipt = await service.publishMessage('plain', bytes(1));
    expect(receipt).toEqual({ messageId: '0', recipients: [peerIds.bob] });
  });

  it('sends no sequence twice over a restart', async () => {
    const { service, router } = await linked();
    await service.publishMessage(NetworkStatus, inputs.metrics);
    await service.stop();
    await service.start();
    await service.publishMessage(NetworkStatus, inputs.metrics);
    const [first, second] = router.sent.map(({ data }) => decodeGossipMessage(data).sequence);
    expect(second).toBe((first ?? 0) + 1);
  });

  it.each([
    ['of another topic', ExecutorAnnouncements, inputs.price],
    ['of a kind that nobody knows', PriceUpdates, { type: 'gossip' }],
    ['of another peer', PriceUpdates, { ...inputs.price, peerId: peerIds.bob }],
    ['that lacks a field', PriceUpdates, { type: 'priceUpdate' }],
    ['that is no bytes on a plain topic', 'plain', 'text'],
    ['that is nothing', NetworkStatus, undefined],
  ])('refuses a message %s', async (_, topic, message) => {
    const { service, router } = await linked();
    expect(await errorOf(service.publishMessage(topic, message as never))).toMatchObject({
      code: 'INVALID_MESSAGE',
      data: { topic },
    });
    expect(router.sent).toEqual([]);
  });

  it('takes a message that names this node', async () => {
    const { service, router } = await linked();
    await service.publishMessage(PriceUpdates, { ...inputs.price, peerId: peerIds.alice });
    expect(router.sent).toHaveLength(1);
  });

  it('refuses a message that is too large, and takes one that just fits', async () => {
    const { service, router } = await linked({ maxMessageBytes: 1_024 });
    await service.publishMessage('plain', new Uint8Array(1_024));
    expect(await errorOf(service.publishMessage('plain', new Uint8Array(1_025)))).toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
      data: { topic: 'plain', got: 1_025, limit: 1_024 },
    });
    expect(router.sent).toHaveLength(1);
  });

  it('refuses a message of the network beyond 64 KiB whatever the limit', async () => {
    const { service } = await linked({ maxMessageBytes: 1_048_576 });
    const models = Array.from({ length: 1_000 }, (_, at) => `${at}`.padEnd(100, 'x'));
    const publish = service.publishMessage(ExecutorAnnouncements, { ...inputs.available, models });
    expect(await errorOf(publish)).toMatchObject({ code: 'MESSAGE_TOO_LARGE', data: { limit: 65_536 } });
  });

  it('sends what was given at the call, whatever becomes of it afterwards', async () => {
    const { service, router } = await createService();
    const mine = bytes(1, 2);
    const models = ['a'];
    const waiting = [
      service.publishMessage('plain', mine),
      service.publishMessage(ExecutorAnnouncements, { ...inputs.available, models }),
    ];
    mine.fill(9);
    models.push('b');
    await settled();
    router.link('plain', [peerIds.bob]);
    router.link(ExecutorAnnouncements, [peerIds.bob]);
    await Promise.all(waiting);
    expect([...(router.sent[0]?.data ?? [])]).toEqual([1, 2]);
    expect(decodeGossipMessage(router.sent[1]?.data ?? bytes())).toMatchObject({ models: ['a'] });
  });

  it('tells why the router could not send', async () => {
    const { service, router } = await linked();
    router.onPublish = () => Promise.reject(new Error('no key'));
    const error = await errorOf(service.publishMessage('plain', bytes(1)));
    expect(error).toMatchObject({ code: 'PUBLISH_FAILED', data: { reason: 'no key' } });
    router.onPublish = () => Promise.resolve({ messageId: '', recipients: [peerIds.bob] });
    await service.publishMessage('plain', bytes(1));
  });

  it('keeps the order of the calls on a topic, however long each takes', async () => {
    const { service, router } = await linked();
    const slow = Promise.withResolvers<void>();
    let calls = 0;
    router.onPublish = async () => {
      if (calls++ === 0) await slow.promise;
      return { messageId: '', recipients: [peerIds.bob] };
    };
    const all = [1, 2, 3].map((value) => service.publishMessage('plain', bytes(value)));
    await settled();
    expect(calls).toBe(1);
    slow.resolve();
    await Promise.all(all);
    expect(sentBytes(router)).toEqual([[1], [2], [3]]);
  });

  it('is not held up for ever by a router that does not answer', async () => {
    for (const [publishTimeoutMs, limitMs] of [
      [5_000, 5_000],
      [0, 1_000],
    ] as const) {
      const { service, router, clock } = await linked({ publishTimeoutMs });
      router.onPublish = (_, data) =>
        data[0] === 1 ? never() : Promise.resolve({ messageId: 'm', recipients: [peerIds.bob] });
      const stuck = errorOf(service.publishMessage('plain', bytes(1)));
      const next = service.publishMessage('plain', bytes(2));
      await clock.advance(limitMs - 1);
      expect(router.sent).toEqual([]);
      await clock.advance(1);
      const reason = `the router did not answer within ${limitMs} ms: it may have been sent`;
      expect(await stuck).toMatchObject({ code: 'PUBLISH_FAILED', data: { topic: 'plain', reason } });
      await next;
      expect(sentBytes(router)).toEqual([[2]]);
      expect(clock.pending).toBe(0);
    }
  });

  it('counts what was published, topics of one’s own together', async () => {
    const meter = new FakeMeter();
    const { service } = await linked({ meter });
    await service.publishMessage('plain', bytes(1));
    await service.publishMessage(NetworkStatus, inputs.metrics);
    expect(meter.totals).toEqual({
      'messages_total gossip sent': 2,
      'gossip_published_total custom': 1,
      [`gossip_published_total ${NetworkStatus}`]: 1,
    });
  });
});

describe('a message for which nobody is there', () => {
  it('waits for a peer, then leaves with a fresh stamp and in order', async () => {
    const { service, router, clock } = await createService();
    const all = [
      service.publishMessage(PriceUpdates, { ...inputs.price, model: 'a' }),
      service.publishMessage(PriceUpdates, { ...inputs.price, model: 'b' }),
    ];
    await clock.advance(4_000);
    expect(service.snapshot().pendingPublishes).toBe(2);
    router.link(PriceUpdates, [peerIds.bob]);
    await Promise.all(all);
    const messages = router.sent.map(({ data }) => decodeGossipMessage(data));
    expect(messages).toMatchObject([
      { model: 'a', timestampMs: clock.now() },
      { model: 'b', timestampMs: clock.now() },
    ]);
    expect(messages[1]?.sequence).toBeGreaterThan(messages[0]?.sequence ?? Infinity);
    expect(service.snapshot().pendingPublishes).toBe(0);
  });

  it('is given up after its time', async () => {
    const { service, router, clock } = await createService();
    const waiting = errorOf(service.publishMessage('plain', bytes(1)));
    await clock.advance(5_000);
    expect(await waiting).toMatchObject({ code: 'NO_PEERS', data: { topic: 'plain', waitedMs: 5_000 } });
    router.link('plain', [peerIds.bob]);
    await settled();
    expect(router.sent).toEqual([]);
  });

  it('does not wait when its time is 0', async () => {
    const { service, clock } = await createService();
    const now = { timeoutMs: 0 };
    const wanted = { code: 'NO_PEERS', data: { waitedMs: 0 } };
    expect(await errorOf(service.publishMessage('plain', bytes(1), now))).toMatchObject(wanted);
    const waiting = errorOf(service.publishMessage('plain', bytes(1)));
    await settled();
    expect(await errorOf(service.publishMessage('plain', bytes(1), now))).toMatchObject(wanted);
    await clock.advance(5_000);
    await waiting;
  });

  it('is refused when too many wait, over all topics', async () => {
    const { service, router } = await createService({ maxPendingPublishes: 2 });
    const all = [service.publishMessage('a', bytes(1)), service.publishMessage('b', bytes(1))];
    await settled();
    const busy = { code: 'BUSY', data: { pending: 2, limit: 2 } };
    expect(await errorOf(service.publishMessage('a', bytes(2)))).toMatchObject(busy);
    expect(await errorOf(service.publishMessage('c', bytes(2)))).toMatchObject(busy);
    for (const topic of ['a', 'b']) router.link(topic, [peerIds.bob]);
    await Promise.all(all);
  });

  it('is refused when many came at once and then nobody was there, the last ones first', async () => {
    const { service, router } = await createService({ maxPendingPublishes: 2 });
    const all = [1, 2, 3, 4].map((value) => service.publishMessage('a', bytes(value)));
    const refused = [errorOf(all[2] as Promise<unknown>), errorOf(all[3] as Promise<unknown>)];
    for (const error of await Promise.all(refused)) expect(error).toMatchObject({ code: 'BUSY' });
    router.link('a', [peerIds.bob]);
    await Promise.all(all.slice(0, 2));
    expect(sentBytes(router)).toEqual([[1], [2]]);
  });

  it('is given up when its caller cancels, before and while it waits', async () => {
    const { service, router, clock } = await createService();
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = errorOf(service.publishMessage('a', bytes(1), { signal }));
    const other = service.publishMessage('a', bytes(2));
    await settled();
    controller.abort();
    expect(await waiting).toMatchObject({ code: 'CANCELLED' });
    expect(await errorOf(service.publishMessage('a', bytes(3), { signal }))).toMatchObject({
      code: 'CANCELLED',
    });
    router.link('a', [peerIds.bob]);
    await other;
    expect(sentBytes(router)).toEqual([[2]]);
    expect(clock.pending).toBe(0);
  });

  it('that is being sent stays sent when its caller cancels', async () => {
    const { service, router } = await linked();
    const controller = new AbortController();
    const sending = Promise.withResolvers<{ messageId: string; recipients: string[] }>();
    router.onPublish = () => sending.promise;
    const publish = service.publishMessage('plain', bytes(1), { signal: controller.signal });
    await settled();
    controller.abort();
    sending.resolve({ messageId: 'm', recipients: [peerIds.bob] });
    expect(await publish).toEqual({ messageId: 'm', recipients: [peerIds.bob] });
  });

  it('that could not be sent does not wait when its caller cancelled meanwhile', async () => {
    const { service, router } = await createService();
    const controller = new AbortController();
    const sending = Promise.withResolvers<{ messageId: string; recipients: string[] }>();
    router.onPublish = () => sending.promise;
    const publish = errorOf(service.publishMessage('plain', bytes(1), { signal: controller.signal }));
    await settled();
    controller.abort();
    sending.resolve({ messageId: '', recipients: [] });
    expect(await publish).toMatchObject({ code: 'CANCELLED' });
    expect(service.snapshot().pendingPublishes).toBe(0);
  });

  it('ends with the service, and nothing is left behind', async () => {
    const { service, router, clock } = await linked();
    const waiting = [
      errorOf(service.publishMessage('a', bytes(1))),
      errorOf(service.publishMessage('b', bytes(1))),
    ];
    router.onPublish = () => never();
    waiting.push(errorOf(service.publishMessage('plain', bytes(1))));
    await settled();
    await service.stop();
    for (const error of await Promise.all(waiting)) expect(error).toMatchObject({ code: 'STOPPED' });
    expect(clock.pending).toBe(0);
    expect(await errorOf(service.publishMessage('a', bytes(1)))).toMatchObject({ code: 'STOPPED' });
  });

  it('that ended with the service is not sent by the next start', async () => {
    const { service, router } = await linked();
    const sending = Promise.withResolvers<{ messageId: string; recipients: string[] }>();
    router.onPublish = () => sending.promise;
    const waiting = errorOf(service.publishMessage('plain', bytes(1)));
    await service.stop();
    await waiting;
    await service.start();
    router.onPublish = () => Promise.resolve({ messageId: 'new', recipients: [peerIds.bob] });
    const fresh = service.publishMessage('plain', bytes(2));
    sending.resolve({ messageId: 'old', recipients: [] });
    expect(await fresh).toMatchObject({ messageId: 'new' });
    expect(sentBytes(router)).toEqual([[2]]);
  });

  it('is tried again when a peer came while it was found that nobody is there', async () => {
    const { service, router } = await createService();
    const attempt = Promise.withResolvers<void>();
    router.onPublish = async (topic) => {
      const recipients = router.topicPeers(topic);
      await attempt.promise;
      return { messageId: 'm', recipients };
    };
    const publish = service.publishMessage('a', bytes(1));
    await settled();
    router.link('a', [peerIds.bob]);
    attempt.resolve();
    expect(await publish).toMatchObject({ recipients: [peerIds.bob] });
  });

  it('is not tried by links that bring nobody', async () => {
    const { service, router, clock } = await createService();
    let tries = 0;
    router.onPublish = () => {
      tries++;
      return Promise.resolve({ messageId: '', recipients: [] });
    };
    const waiting = errorOf(service.publishMessage('a', bytes(1)));
    await settled();
    for (let times = 0; times < 5; times++) router.link('a', []);
    await clock.advance(5_000);
    await waiting;
    expect(tries).toBe(1);
  });
});

describe('the own rate', () => {
  it('is held half a burst below what others admit, and says when to try again', async () => {
    const { service, clock } = await linked({ maxMessagesPerSecond: 10, maxMessageBurst: 20 });
    for (let sent = 0; sent < 10; sent++) await service.publishMessage('plain', bytes(sent));
    const error = await errorOf(service.publishMessage('plain', bytes(1)));
    expect(error).toMatchObject({ code: 'RATE_LIMITED', data: { limitPerSecond: 10, retryAfterMs: 106 } });
    await clock.advance(106);
    await service.publishMessage('plain', bytes(1));
  });

  it('is never above what receivers admit, also when everything arrives late', async () => {
    const { service, clock, router } = await linked({ maxMessagesPerSecond: 10, maxMessageBurst: 20 });
    for (let ms = 0; ms < 10_000; ms += 10) {
      await service.publishMessage('plain', bytes(1)).catch(() => undefined);
      clock.skip(10);
    }
    expect(router.sent.length).toBeGreaterThan(100);
    expect(router.sent.length).toBeLessThanOrEqual(105);
  });

  it('is counted for each topic by itself, and not for what was not sent', async () => {
    const { service, router, clock } = await createService({ maxMessageBurst: 2, maxMessagesPerSecond: 1 });
    for (let times = 0; times < 3; times++)
      await errorOf(service.publishMessage('a', bytes(1), { timeoutMs: 0 }));
    for (const topic of ['a', 'b']) router.link(topic, [peerIds.bob]);
    await service.publishMessage('a', bytes(1));
    await service.publishMessage('b', bytes(1));
    expect(await errorOf(service.publishMessage('a', bytes(1)))).toMatchObject({ code: 'RATE_LIMITED' });
    expect(clock.pending).toBe(0);
  });

  it('counts what waits: it may all be sent in the next moment', async () => {
    const { service, clock } = await createService({ maxMessageBurst: 4, maxMessagesPerSecond: 1 });
    const waiting = [1, 2].map((value) => errorOf(service.publishMessage('a', bytes(value))));
    await settled();
    expect(await errorOf(service.publishMessage('a', bytes(3)))).toMatchObject({ code: 'RATE_LIMITED' });
    await clock.advance(5_000);
    await Promise.all(waiting);
  });
});
