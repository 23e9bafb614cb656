import { LloomError } from '@lloom/core';
import { describe, expect, it } from 'vitest';
import { GossipTopic } from '../src/types.ts';
import { createService, errorOf, peerIds, settled, thrownBy } from './fakes.ts';

const fail = (): never => {
  throw new Error('hostile');
};
const hostile = new Proxy({}, { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail });
const withGetter = (name: string): object => Object.defineProperty({}, name, { get: fail, enumerable: true });

/** What is no message, no topic and no config. */
const wrong: [string, unknown][] = [
  ['null', null],
  ['a number', 7],
  ['a bigint', 7n],
  ['a symbol', Symbol('x')],
  ['a function', () => 'x'],
  ['a list', [1]],
  ['an object without fields', {}],
  ['an object without prototype', Object.create(null)],
  ['an object that throws', hostile],
  ['a getter that throws', withGetter('name')],
];

const isTyped = (error: unknown): void => expect(LloomError.isLloomError(error)).toBe(true);

describe('what is given wrongly', () => {
  it.each(wrong)('as a topic is told: %s', async (_, given) => {
    const { service } = await createService();
    const topic = given as never;
    for (const call of [
      () => service.createTopic(topic),
      () => service.topicPeers(topic),
      () => service.gossipsubMeshPeers(topic),
    ])
      expect(thrownBy(call)).toMatchObject({ code: 'INVALID_TOPIC' });
    for (const promise of [
      service.subscribeTopic(topic),
      service.unsubscribeTopic(topic),
      service.publishMessage(topic, {} as never),
    ])
      expect(await errorOf(promise)).toMatchObject({ code: 'INVALID_TOPIC' });
  });

  it.each([...wrong, ['a type that throws', withGetter('type')] as const])(
    'as a message is told: %s',
    async (_, message) => {
      const { service, router } = await createService();
      const own = service.createTopic('own');
      for (const topic of [...Object.values(GossipTopic), 'plain', own]) {
        router.link(typeof topic === 'string' ? topic : topic.name, [peerIds.bob]);
        const publish = service.publishMessage(topic as never, message as never);
        expect(await errorOf(publish)).toMatchObject({ code: 'INVALID_MESSAGE' });
      }
      expect(router.sent).toEqual([]);
    },
  );

  const configs: [string, unknown][] = [
    ...wrong.filter(
      ([name]) => name !== 'an object without fields' && name !== 'an object without prototype',
    ),
    ['an unknown field', { timeout: 5 }],
    ['a controller in place of its signal', { signal: new AbortController() }],
    ['a signal that is none', { signal: 'now' }],
    ['a signal that throws', withGetter('signal')],
  ];
  it.each(configs)('as a config is told: %s', async (_, given) => {
    const { service, clock } = await createService();
    const config = given as never;
    const topic = service.createTopic('own');
    await topic.subscribe();
    const before = clock.pending;
    isTyped(await errorOf(service.publishMessage('plain', new Uint8Array(), config)));
    isTyped(thrownBy(() => topic.messages(config)));
    expect(thrownBy(() => service.createTopic('other', config))).toMatchObject({ code: 'INVALID_CONFIG' });
    expect(clock.pending).toBe(before);
  });

  it.each([{ timeoutMs: -1 }, { timeoutMs: Number.NaN }, { timeoutMs: Infinity }, { timeoutMs: '5' }])(
    'as a time is told: %j',
    async (config) => {
      const { service } = await createService();
      const publish = service.publishMessage('plain', new Uint8Array(), config as never);
      expect(await errorOf(publish)).toMatchObject({ code: 'INVALID_CONFIG' });
    },
  );

  it.each([
    { codec: {} },
    { codec: null },
    { codec: { encode: () => 1 } },
    { codec: hostile },
    { validate: 'all' },
    { codec: [] },
  ])('as a codec or validator is told', async (config) => {
    const { service } = await createService();
    expect(thrownBy(() => service.createTopic('own', config as never))).toMatchObject({
      code: 'INVALID_CONFIG',
    });
  });

  it('as a mesh size is told, and changes nothing', async () => {
    const { service, router } = await createService();
    for (const [target, high] of [
      [0, 1],
      [7, 6],
      [1n, 2],
      [null, undefined],
      [hostile, 1],
      [Symbol('x'), 1],
    ])
      expect(thrownBy(() => service.setGossipsubMeshSize(target as never, high as never))).toMatchObject({
        code: 'INVALID_CONFIG',
      });
    expect(router.meshSize).toBeUndefined();
  });

  it('to readers and listeners is told, too', async () => {
    const { service } = await createService();
    const topic = service.createTopic('own');
    await topic.subscribe();
    for (const limit of [0, -1, 1.5, 'x']) isTyped(thrownBy(() => topic.messages({ limit } as never)));
    await settled();
  });
});
