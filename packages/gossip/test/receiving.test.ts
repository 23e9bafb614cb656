import { encodeGossipMessage, type GossipMessage } from '@lloom/codec';
import { describe, expect, it } from 'vitest';
import { GossipTopic, type DropReason } from '../src/types.ts';
import { collect, createService, crowd, FakeMeter, incoming, inputs, peerIds } from './fakes.ts';

const { ExecutorAnnouncements, NetworkStatus, PriceUpdates } = GossipTopic;
const { alice, bob, carol, dave } = peerIds;

async function listening(given: Parameters<typeof createService>[0] = {}) {
  const reports: string[] = [];
  const meter = new FakeMeter();
  const reputation = { report: (peerId: string, fact: string) => void reports.push(`${peerId} ${fact}`) };
  const at = await createService({ meter, reputation, ...given });
  for (const topic of [...Object.values(GossipTopic), 'plain']) await at.service.subscribeTopic(topic);
  const heard = collect(at.service, 'message:received');
  let sequence = 0;
  /** A good message of a peer, with what is wrong with it. */
  const price = (wrong: object = {}, more: Parameters<typeof incoming>[2] = {}) =>
    incoming(
      PriceUpdates,
      { ...inputs.price, timestampMs: at.clock.now(), sequence: ++sequence, ...wrong } as GossipMessage,
      more,
    );
  const drops = (): Partial<Record<DropReason, number>> =>
    Object.fromEntries(Object.entries(at.service.snapshot().dropped).filter(([, count]) => count > 0));
  return { ...at, reports, meter, heard, price, drops };
}

describe('a message of another node', () => {
  it('is accepted and delivered after it was passed on, with who signed it', async () => {
    const { router, heard, price, service, meter } = await listening();
    const judgement = router.watcher?.judge(price({}, { source: carol }));
    expect(judgement).toMatchObject({ verdict: 'accept' });
    expect(heard).toEqual([]);
    if (judgement === undefined || judgement instanceof Promise) throw new Error('it must be judged at once');
    judgement.deliver?.();
    expect(heard).toMatchObject([
      { peerId: bob, topic: PriceUpdates, message: { type: 'priceUpdate', peerId: bob } },
    ]);
    expect(service.snapshot().accepted).toBe(1);
    expect(meter.totals).toEqual({
      [`gossip_received_total ${PriceUpdates}`]: 1,
      'messages_total gossip received': 1,
    });
  });

  it('on any other topic is bytes, which belong to whoever reads them', async () => {
    const { hear, heard } = await listening();
    const data = new Uint8Array([1, 2]);
    expect(hear(incoming('plain', data))).toBe('accept');
    const { message } = heard[0] ?? {};
    expect(message).toEqual({ type: 'custom', value: new Uint8Array([1, 2]) });
    (message as { value: Uint8Array }).value.fill(9);
    expect(data).toEqual(new Uint8Array([1, 2]));
  });

  it('harms nobody when a listener throws', async () => {
    const { service, hear, price, heard, router } = await listening();
    service.addEventListener('message:received', () => {
      throw new Error('listener');
    });
    expect(hear(price())).toBe('accept');
    expect(heard).toHaveLength(1);
    expect(router.errors).toEqual([new Error('listener')]);
  });

  it('about things that are not known here changes nothing for anybody', async () => {
    const { hear, price, reports, scoreOf } = await listening();
    for (const source of crowd(20))
      expect(hear(price({ model: 'never heard of' }, { source }))).toBe('accept');
    expect(reports).toEqual([]);
    expect(crowd(20).map(scoreOf)).toEqual(crowd(20).map(() => 0));
  });
});

describe('a message that is dropped', () => {
  const now = 1_700_000_000_000;
  const bad = (fields: object): Uint8Array =>
    encodeGossipMessage({
      ...inputs.price,
      peerId: bob,
      timestampMs: now,
      sequence: 1,
      ...fields,
    } as GossipMessage);
  /** Field 15 of the message: a kind of the future. */
  const unknown = (): Uint8Array => new Uint8Array([0x08, 1, 0x10, 1, 0x7a, 0]);
  const rows: [string, readonly [DropReason, 'ignore' | 'reject'], () => Parameters<typeof incoming>][] = [
    ['is no message', ['malformed', 'reject'], () => [PriceUpdates, new Uint8Array([255])]],
    ['has no kind', ['malformed', 'reject'], () => [PriceUpdates, new Uint8Array([0x08, 1, 0x10, 1])]],
    ['is empty', ['malformed', 'reject'], () => [PriceUpdates, new Uint8Array()]],
    ['is of another topic', ['malformed', 'reject'], () => [NetworkStatus, bad({})]],
    ['names another than its signer', ['impostor', 'reject'], () => [PriceUpdates, bad({ peerId: carol })]],
    ['is from long ago', ['stale', 'ignore'], () => [PriceUpdates, bad({ timestampMs: now - 60_001 })]],
    ['is from the future', ['stale', 'ignore'], () => [PriceUpdates, bad({ timestampMs: now + 60_001 })]],
    ['is of a kind of a newer version', ['unknownKind', 'ignore'], () => [PriceUpdates, unknown()]],
    ['is too large', ['tooLarge', 'reject'], () => ['plain', new Uint8Array(65_537)]],
  ];

  it.each(rows)('because it %s is counted: %s', async (_, [reason, verdict], message) => {
    const { hear, heard, drops, reports, meter } = await listening();
    expect(hear(incoming(...message()))).toBe(verdict);
    expect(drops()).toEqual({ [reason]: 1 });
    expect(meter.totals).toEqual({ [`gossip_dropped_total ${reason}`]: 1 });
    expect(reports).toEqual(verdict === 'reject' ? [`${bob} INVALID_MESSAGE`] : []);
    expect(heard).toEqual([]);
  });

  it('because of its age just lies beyond the bound', async () => {
    const { hear, price, clock } = await listening();
    for (const offset of [-60_000, 60_000])
      expect(hear(price({ timestampMs: clock.now() + offset }))).toBe('accept');
  });

  it('by the router is counted, and its neighbour told of', async () => {
    const { router, drops, reports, clock } = await listening();
    // Three at once are told each, then one a second.
    for (const reason of ['malformed', 'tooLarge', 'malformed', 'malformed'] as const)
      router.watcher?.onDropped(carol, reason);
    clock.skip(1_000);
    router.watcher?.onDropped(carol, 'malformed');
    router.watcher?.onDropped(carol, 'malformed');
    router.watcher?.onViolation(carol);
    expect(drops()).toEqual({ malformed: 5, tooLarge: 1 });
    expect(reports).toEqual([
      `${carol} INVALID_MESSAGE`,
      `${carol} INVALID_MESSAGE`,
      `${carol} INVALID_MESSAGE`,
      `${carol} INVALID_MESSAGE`,
      `${carol} PROTOCOL_VIOLATION`,
    ]);
  });

  it('harms nobody when the reputation throws', async () => {
    const reputation = {
      report: () => {
        throw new Error('full');
      },
    };
    const { hear, router } = await listening({ reputation });
    expect(hear(incoming(PriceUpdates, new Uint8Array()))).toBe('reject');
    expect(router.errors).toEqual([new Error('full')]);
  });
});

describe('a sequence', () => {
  it('is taken once, in whatever order it comes', async () => {
    const { hear, price, drops } = await listening();
    for (const sequence of [5, 3, 4, 9, 1]) expect(hear(price({ sequence }))).toBe('accept');
    for (const sequence of [5, 3, 4, 9, 1]) expect(hear(price({ sequence }))).toBe('ignore');
    expect(drops()).toEqual({ replayed: 5 });
  });

  it('that is older than all that may be under way is taken for known', async () => {
    const { hear, price, clock, drops } = await listening({ maxMessageBurst: 3, maxMessagesPerSecond: 1 });
    for (let sequence = 10; sequence < 26; sequence++) {
      expect(hear(price({ sequence }))).toBe('accept');
      clock.skip(1_000);
    }
    expect(hear(price({ sequence: 9 }))).toBe('ignore');
    expect(drops()).toEqual({ replayed: 1 });
    expect(hear(price({ sequence: 26 }))).toBe('accept');
  });

  it('is each author’s and each topic’s own', async () => {
    const { hear, price, clock } = await listening();
    expect(hear(price({ sequence: 1 }))).toBe('accept');
    expect(hear(price({ sequence: 1, peerId: carol }, { author: carol }))).toBe('accept');
    const metrics = { ...inputs.metrics, timestampMs: clock.now(), sequence: 1 };
    expect(hear(incoming(NetworkStatus, metrics))).toBe('accept');
  });

  it('may begin anew when an author was silent for as long as its messages would be fresh', async () => {
    const { hear, price, clock } = await listening();
    expect(hear(price({ sequence: 1_000 }))).toBe('accept');
    expect(hear(price({ sequence: 1_000 }))).toBe('ignore');
    clock.skip(120_001);
    expect(hear(price({ sequence: 1_000 }))).toBe('accept');
  });

  it('guards topics of one’s own by what the network signs, for an hour', async () => {
    const { hear, clock } = await listening();
    const at = (sequenceNumber: bigint) => incoming('plain', new Uint8Array([1]), { sequenceNumber });
    expect(hear(at(7n))).toBe('accept');
    expect(hear(at(6n))).toBe('accept');
    expect(hear(at(7n))).toBe('ignore');
    clock.skip(3_500_000);
    expect(hear(at(7n))).toBe('ignore');
  });

  it('is not looked for in what is unsigned', async () => {
    const { hear, price, heard } = await listening({ validationMode: 'none' });
    const unsigned = { author: undefined, sequenceNumber: undefined, source: carol };
    for (let times = 0; times < 2; times++) {
      expect(hear(incoming('plain', new Uint8Array([1]), unsigned))).toBe('accept');
      expect(hear(price({ sequence: 1, peerId: bob }, unsigned))).toBe('accept');
    }
    expect(heard.map(({ peerId }) => peerId)).toEqual([carol, carol, carol, carol]);
  });
});

describe('an author that says too much', () => {
  it('is held to its rate on each topic, and heard again later', async () => {
    const { hear, price, drops, clock } = await listening({ maxMessagesPerSecond: 10, maxMessageBurst: 20 });
    for (let times = 0; times < 20; times++) expect(hear(price())).toBe('accept');
    expect(hear(price())).toBe('ignore');
    const offline = { ...inputs.offline, timestampMs: clock.now(), sequence: 1 };
    expect(hear(incoming(ExecutorAnnouncements, offline))).toBe('accept');
    clock.skip(100);
    expect(hear(price())).toBe('accept');
    expect(drops()).toEqual({ tooMany: 1 });
  });

  it('is told of, and lies below the graylist in ten seconds when it floods', async () => {
    const { hear, price, scoreOf, clock, reports } = await listening();
    for (let ms = 0; ms < 10_000; ms += 2) {
      void hear(price());
      clock.skip(2);
    }
    expect(scoreOf(bob)).toBeLessThan(-80);
    expect(reports.every((report) => report === `${bob} FLOOD`)).toBe(true);
    expect(reports.length).toBeGreaterThan(5);
    expect(reports.length).toBeLessThanOrEqual(10);
    clock.skip(600_000);
    expect(scoreOf(bob)).toBeGreaterThan(-1);
  });

  it('loses nothing by half as much again as it may', async () => {
    const { hear, price, scoreOf, clock, reports } = await listening();
    for (let count = 0; count < 75 * 20; count++) {
      void hear(price());
      clock.skip(1_000 / 75);
      expect(scoreOf(bob)).toBeGreaterThan(-10);
    }
    expect(reports).toEqual([]);
  });

  it('is no fault of those who pass it on', async () => {
    const { hear, price, scoreOf, reports } = await listening();
    for (let count = 0; count < 2_000; count++) void hear(price({}, { source: carol }));
    expect([scoreOf(bob), scoreOf(carol)]).toEqual([0, 0]);
    expect(reports).toEqual([]);
  });

  it('is not silenced by a neighbour that repeats what it said long ago', async () => {
    const { hear, price, clock, scoreOf, reports } = await listening();
    const old = clock.now() - 3_600_000;
    const repeat = (count: number): void => {
      for (let times = 0; times < count; times++)
        expect(hear(price({ timestampMs: old }, { source: carol }))).toBe('ignore');
    };
    repeat(200);
    for (let second = 0; second < 60; second++) {
      repeat(50);
      expect(hear(price({}, { source: second % 2 === 0 ? bob : dave }))).toBe('accept');
      clock.skip(1_000);
    }
    expect([scoreOf(bob), scoreOf(carol), scoreOf(dave)]).toEqual([0, 0, 0]);
    expect(reports).toEqual([]);
  });

  it('is remembered among a bounded number of authors', async () => {
    const { hear } = await listening({ maxMessageBurst: 1, maxMessagesPerSecond: 1 });
    let sequenceNumber = 0n;
    const say = (author: string) =>
      hear(incoming('plain', new Uint8Array(), { author, source: author, sequenceNumber: ++sequenceNumber }));
    expect(say(bob)).toBe('accept');
    expect(say(bob)).toBe('ignore');
    for (const author of crowd(4_096)) void say(author);
    expect(say(bob)).toBe('accept');
  });
});

describe('a neighbour that hands over what many say', () => {
  const few = { maxMessageBurst: 10, maxMessagesPerSecond: 1, validationMode: 'none' } as const;
  /** A good message of an author of its own, or of none. */
  const kinds: [string, (count: number) => Parameters<typeof incoming>[2]][] = [
    ['signed by one each', (count) => ({ author: `peer-${count}` })],
    ['unsigned', () => ({ author: undefined, sequenceNumber: undefined })],
  ];

  it.each(kinds)('is heard as far as 64 authors may say, on all topics, without blame: %s', async (_, by) => {
    const { hear, scoreOf, drops, clock, service, reports } = await listening(few);
    await service.subscribeTopic('other');
    let count = 0;
    const say = (topic: string) => hear(incoming(topic, new Uint8Array([1]), by(count++)));
    for (const topic of ['plain', 'other'])
      for (let times = 0; times < 320; times++) expect(say(topic)).toBe('accept');
    for (let times = 0; times < 200; times++) expect(say('plain')).toBe('ignore');
    expect(drops()).toEqual({ tooMany: 200 });
    clock.skip(1_000);
    for (let times = 0; times < 64; times++) expect(say('plain')).toBe('accept');
    expect(scoreOf(bob)).toBe(0);
    expect(reports).toEqual([]);
  });

  it('is dropped before anything is read of it', async () => {
    const { hear, service } = await listening({ ...few, maxMessageBurst: 1 });
    const decode = (bytes: Uint8Array): Uint8Array => {
      read++;
      return bytes;
    };
    let read = 0;
    const codec = { encode: (value: Uint8Array) => value, decode };
    await service.createTopic('read', { codec }).subscribe();
    for (let count = 0; count < 100; count++)
      void hear(incoming('read', new Uint8Array([1]), { author: `peer-${count}` }));
    expect(read).toBe(64);
  });
});

describe('a meter that throws', () => {
  it.each(['when it is asked for a counter', 'when it counts'])('%s stops no message', async (when) => {
    const fail = (): never => {
      throw new Error('no space');
    };
    const counter = when === 'when it counts' ? () => fail : fail;
    const { hear, price, router, service } = await listening({
      meter: { counter, histogram: counter, gauge: fail } as never,
    });
    expect(hear(price())).toBe('accept');
    expect(hear(incoming(PriceUpdates, new Uint8Array()))).toBe('reject');
    router.link('plain', [carol]);
    await service.publishMessage('plain', new Uint8Array(1));
    expect(service.snapshot()).toMatchObject({ accepted: 1, dropped: { malformed: 1 } });
    expect(router.errors[0]).toEqual(new Error('no space'));
  });
});

describe('the score of the application', () => {
  it('is that of the port, within its bounds, less what is held against a peer; at -100 nothing makes up for it', async () => {
    let held: unknown = 12;
    const score = { scoreOf: () => held as number };
    const { scoreOf, hear, price, clock } = await listening({ score });
    expect(scoreOf(alice)).toBe(12);
    for (const [given, counts] of [
      [1e9, 100],
      [-1e9, -150],
      [Number.NaN, 0],
      ['7', 0],
      [undefined, 0],
    ]) {
      held = given;
      expect(scoreOf(alice)).toBe(counts);
    }
    held = -90;
    for (let ms = 0; ms < 5_000; ms += 2) {
      void hear(price());
      clock.skip(2);
    }
    expect(scoreOf(bob)).toBe(-150);
  });

  it('is nothing when the port throws', async () => {
    const score = {
      scoreOf: () => {
        throw new Error('broken');
      },
    };
    const { scoreOf } = await listening({ score });
    expect(scoreOf(bob)).toBe(0);
  });
});
