import { describe, expect, it } from 'vitest';
import type { MessageContext, TopicCodec, TopicValidator, Verdict } from '../src/types.ts';
import { collect, createService, crowd, incoming, never, peerIds, settled } from './fakes.ts';

const { bob, carol } = peerIds;
const text: TopicCodec<string> = {
  encode: (value) => new TextEncoder().encode(value),
  decode: (bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes),
};

async function judging(validate: TopicValidator<string>, config: Parameters<typeof createService>[0] = {}) {
  const at = await createService(config);
  const topic = at.service.createTopic('words', { codec: text, validate });
  await topic.subscribe();
  let sequence = 0n;
  const say = (word: string, source = bob) =>
    at.hear(incoming('words', text.encode(word), { source, sequenceNumber: ++sequence }));
  const heard = collect(at.service, 'message:received');
  return { ...at, topic, say, heard };
}

describe('a validator', () => {
  it.each([
    ['accept', 'accept', {}],
    ['ignore', 'ignore', { ignored: 1 }],
    ['reject', 'reject', { rejected: 1 }],
  ] as const)(
    'that says %s at once is asked once, and a promise of that is the same',
    async (verdict, outcome, drop) => {
      const sync = await judging(() => verdict);
      expect(sync.say('a')).toBe(outcome);
      const late = await judging(() => Promise.resolve(verdict));
      expect(await late.say('a')).toBe(outcome);
      for (const { service, heard } of [sync, late]) {
        expect(service.snapshot().dropped).toMatchObject(drop);
        expect(heard).toHaveLength(verdict === 'accept' ? 1 : 0);
      }
    },
  );

  it('is told who signed and who handed over', async () => {
    const seen: MessageContext[] = [];
    const { say } = await judging((_, context) => {
      seen.push(context);
      return 'accept';
    });
    void say('a', carol);
    expect(seen[0]?.peerId).toBe(bob);
    expect(seen[0]?.receivedFrom).toBe(carol);
    expect(seen[0]?.signal.aborted).toBe(false);
  });

  const fail = (): never => {
    throw new Error('x');
  };
  const broken: [string, () => unknown][] = [
    ['throws', fail],
    ['rejects', () => Promise.reject(new Error('x'))],
    ['says something else', () => 'maybe'],
    ['says nothing', () => undefined],
    ['promises something else', () => Promise.resolve(true)],
    ['gives a promise that throws', () => new Proxy({}, { has: () => true, get: () => fail })],
    ['gives something that throws when it is looked at', () => new Proxy({}, { has: fail })],
  ];
  it.each(broken)('that %s blames nobody', async (_, validate) => {
    const { say, service, router } = await judging(validate as TopicValidator<string>);
    expect(await say('a')).toBe('ignore');
    expect(service.snapshot()).toMatchObject({ dropped: { unjudged: 1 }, pendingValidations: 0 });
    expect(router.errors).toHaveLength(1);
  });

  it('that takes too long is not waited for, and is told', async () => {
    let signal: AbortSignal | undefined;
    const { say, clock, service } = await judging((_, context) => {
      ({ signal } = context);
      return never();
    });
    const verdict = say('a');
    expect(service.snapshot().pendingValidations).toBe(1);
    await clock.advance(2_000);
    expect(await verdict).toBe('ignore');
    expect(signal?.aborted).toBe(true);
    expect(service.snapshot()).toMatchObject({ dropped: { unjudged: 1 }, pendingValidations: 0 });
    await service.stop();
    expect(clock.pending).toBe(0);
  });

  it('has a bounded number of messages at once, of one neighbour a quarter of them', async () => {
    const { say, service, clock } = await judging(() => never(), { maxPendingValidations: 8 });
    const degraded = collect(service, 'gossip:degraded');
    const first = [say('a'), say('b')];
    expect(say('c')).toBe('ignore');
    const others = crowd(6).map((source) => say('d', source));
    expect(say('e', carol)).toBe('ignore');
    expect(service.snapshot()).toMatchObject({
      pendingValidations: 8,
      dropped: { overload: 2 },
      alarms: ['OVERLOADED'],
    });
    expect(degraded).toMatchObject([{ reason: 'OVERLOADED', hint: expect.stringContaining('validators') }]);
    expect(degraded[0]).not.toHaveProperty('topic');
    await clock.advance(2_000);
    expect(await Promise.all([...first, ...others])).toEqual(Array.from({ length: 8 }, () => 'ignore'));
  });

  it('that answers at once is never too busy', async () => {
    const { say, service } = await judging(() => 'accept', { maxPendingValidations: 1 });
    for (let times = 0; times < 10; times++) expect(say('a')).toBe('accept');
    expect(service.snapshot().dropped.overload).toBe(0);
  });

  it('is not waited for when the service stops', async () => {
    const { say, service, clock, heard } = await judging(() => never());
    const verdict = say('a');
    await service.stop();
    expect(await verdict).toBe('ignore');
    expect(clock.pending).toBe(0);
    expect(heard).toEqual([]);
  });

  it('gives its places back', async () => {
    const given = Promise.withResolvers<Verdict>();
    const { say } = await judging(() => given.promise, { maxPendingValidations: 4 });
    const first = say('a');
    expect(say('b')).toBe('ignore');
    given.resolve('accept');
    expect(await first).toBe('accept');
    expect(await say('c')).toBe('accept');
  });
});

describe('a verdict that comes late', () => {
  it('delivers nothing of a topic that was left meanwhile', async () => {
    const given = Promise.withResolvers<Verdict>();
    const { say, topic, heard } = await judging(() => given.promise);
    const verdict = say('a');
    await topic.unsubscribe();
    given.resolve('accept');
    expect(await verdict).toBe('accept');
    expect(heard).toEqual([]);
  });

  it('finds its signal fired, also when it asks for it only then', async () => {
    let context: MessageContext | undefined;
    const { say, clock } = await judging((_, given) => {
      context = given;
      return never();
    });
    void say('a');
    await clock.advance(2_000);
    expect(context?.signal.aborted).toBe(true);
  });
});

describe('a codec', () => {
  it('that cannot read a message rejects it', async () => {
    const { hear, service } = await judging(() => 'accept');
    expect(hear(incoming('words', new Uint8Array([255])))).toBe('reject');
    expect(service.snapshot().dropped.malformed).toBe(1);
  });

  it('that gives a promise blames nobody, whatever becomes of it', async () => {
    const { service, hear, router } = await createService();
    const codec = { ...text, decode: () => Promise.reject(new Error('late')) };
    await service.createTopic('late', { codec } as never).subscribe();
    expect(hear(incoming('late', new Uint8Array()))).toBe('ignore');
    await settled();
    expect(router.errors).toHaveLength(1);
  });

  it('that is broken for writing is told to whoever publishes', async () => {
    const { service } = await createService();
    const encoders = [
      () => {
        throw new Error('cannot');
      },
      () => 'text',
      () => undefined,
      () => new Proxy(new Uint8Array(3), {}),
    ];
    for (const [at, encode] of encoders.entries()) {
      const topic = service.createTopic(`t${at}`, { codec: { ...text, encode } as never });
      await expect(topic.publish('a' as never)).rejects.toMatchObject({ code: 'INVALID_MESSAGE' });
    }
  });
});
