import { describe, expect, it } from 'vitest';
import { GossipTopic, type TopicCodec } from '../src/types.ts';
import { collect, createService, errorOf, incoming, peerIds, thrownBy } from './fakes.ts';

const text: TopicCodec<string> = {
  encode: (value) => new TextEncoder().encode(value),
  decode: (bytes) => new TextDecoder().decode(bytes),
};

async function created() {
  const at = await createService();
  const topic = at.service.createTopic('words', { codec: text });
  await topic.subscribe();
  let sequence = 0n;
  const say = (word: string): unknown =>
    at.hear(incoming('words', text.encode(word), { sequenceNumber: ++sequence }));
  return { ...at, topic, say };
}

describe('the name of a topic', () => {
  it.each([
    '',
    ' a',
    'a ',
    'a\nb',
    'a\u0000',
    '\u0085x',
    'x'.repeat(257),
    '\ud800',
    7,
    null,
    undefined,
    {},
    [],
    () => 'a',
  ])('is never %j', async (name) => {
    const { service } = await createService();
    const wanted = { code: 'INVALID_TOPIC' };
    expect(thrownBy(() => service.createTopic(name as string))).toMatchObject(wanted);
    expect(thrownBy(() => service.topicPeers(name as string))).toMatchObject(wanted);
    expect(await errorOf(service.subscribeTopic(name as string))).toMatchObject(wanted);
  });

  it.each(['a', 'x'.repeat(256), 'lloom/custom/1.0.0', 'wetter in köln', '天気'])(
    'may be %s',
    async (name) => {
      const { service } = await createService();
      await service.subscribeTopic(name);
      expect(service.subscribedTopics()).toEqual([name]);
    },
  );
});

describe('a topic of one’s own', () => {
  it('is the same for the same functions, and no other', async () => {
    const { service } = await createService();
    const validate = () => 'accept' as const;
    const topic = service.createTopic('words', { codec: text, validate });
    expect(service.createTopic('words', { codec: { ...text }, validate })).toBe(topic);
    for (const config of [
      undefined,
      {},
      { codec: text },
      { validate },
      { codec: { ...text, decode: () => '' }, validate },
    ])
      expect(thrownBy(() => service.createTopic<string>('words', config))).toMatchObject({
        code: 'TOPIC_EXISTS',
        data: { topic: 'words' },
      });
    expect(service.createTopic('bytes')).toBe(service.createTopic('bytes', {}));
  });

  it('is another one for another object of the same class', async () => {
    class Padding {
      readonly #by: number;
      constructor(by: number) {
        this.#by = by;
      }
      encode(value: number): Uint8Array {
        return new Uint8Array(value + this.#by);
      }
      decode(bytes: Uint8Array): number {
        return bytes.length - this.#by;
      }
    }
    const { service, router } = await createService();
    const topic = service.createTopic('sizes', { codec: new Padding(2) });
    expect(thrownBy(() => service.createTopic('sizes', { codec: new Padding(3) }))).toMatchObject({
      code: 'TOPIC_EXISTS',
    });
    router.link('sizes', [peerIds.bob]);
    await topic.publish(3);
    expect(router.sent[0]?.data).toHaveLength(5);
  });

  it.each(Object.values(GossipTopic))('cannot have the name of the network’s %s', async (name) => {
    const { service } = await createService();
    expect(thrownBy(() => service.createTopic(name))).toMatchObject({ code: 'TOPIC_EXISTS' });
  });

  it('gives its values to readers, each once, and as events', async () => {
    const { service, topic, say } = await created();
    const heard = collect(service, 'message:received');
    const messages = topic.messages();
    void say('a');
    void say('b');
    const message = (value: string) => ({ peerId: peerIds.bob, topic: 'words', value });
    expect(await messages.next()).toEqual({ done: false, value: message('a') });
    expect(await messages.next()).toEqual({ done: false, value: message('b') });
    expect(heard.map((event) => event.message)).toEqual([
      { type: 'custom', value: 'a' },
      { type: 'custom', value: 'b' },
    ]);
  });

  it('that is quiet gives its values to readers alone', async () => {
    const { service, router } = await createService();
    const topic = service.createTopic('words', { codec: text, isQuiet: true });
    await topic.subscribe();
    const heard = collect(service, 'message:received');
    const messages = topic.messages();
    const judged = await router.watcher!.judge(incoming('words', text.encode('hush')));
    judged.deliver?.();
    expect(await messages.next()).toMatchObject({ value: { value: 'hush' } });
    expect(heard).toEqual([]);
    expect(thrownBy(() => service.createTopic('words', { codec: text }))).toMatchObject({
      code: 'TOPIC_EXISTS',
    });
  });

  it('drops the oldest values of a slow reader, and says how many', async () => {
    const { topic, say } = await created();
    const messages = topic.messages({ limit: 2 });
    for (const word of ['a', 'b', 'c']) void say(word);
    expect(messages.dropped).toBe(1);
    expect(await messages.next()).toMatchObject({ value: { value: 'b' } });
  });

  it('ends its readers by their signal, by return, when it is left, and with the service', async () => {
    const { service, topic } = await created();
    const controller = new AbortController();
    const bySignal = topic.messages({ signal: controller.signal });
    const byReturn = topic.messages();
    const byLeaving = topic.messages();
    controller.abort();
    expect(await bySignal.next()).toEqual({ done: true, value: undefined });
    await byReturn.return?.();
    expect(await byReturn.next()).toMatchObject({ done: true });
    await topic.unsubscribe();
    for await (const message of byLeaving) expect.unreachable(message.value);
    await topic.subscribe();
    const byStop = topic.messages().next();
    await service.stop();
    expect(await byStop).toMatchObject({ done: true });
  });

  it('cannot be read unless it is subscribed and the service runs', async () => {
    const { service } = await createService({ started: false });
    const topic = service.createTopic('words', { codec: text });
    expect(thrownBy(() => topic.messages())).toMatchObject({
      code: 'NOT_SUBSCRIBED',
      data: { topic: 'words' },
    });
    await topic.subscribe();
    expect(thrownBy(() => topic.messages())).toMatchObject({ code: 'STOPPED' });
    await service.start();
    await topic.messages().return?.();
  });

  it('is published and named like any other', async () => {
    const { service, topic, router } = await created();
    router.link('words', [peerIds.bob, peerIds.carol], [peerIds.bob]);
    expect(service.topicPeers(topic)).toEqual([peerIds.bob, peerIds.carol]);
    expect(service.gossipsubMeshPeers(topic)).toEqual([peerIds.bob]);
    await topic.publish('a');
    await service.publishMessage(topic, 'b');
    await service.publishMessage('words', 'c' as never);
    expect(router.sent.map(({ data }) => text.decode(data))).toEqual(['a', 'b', 'c']);
  });

  it('that is made after its name was subscribed reads from then on', async () => {
    const { service, hear } = await createService();
    await service.subscribeTopic('words');
    const heard = collect(service, 'message:received');
    void hear(incoming('words', text.encode('a'), { sequenceNumber: 1n }));
    service.createTopic('words', { codec: text });
    void hear(incoming('words', text.encode('b'), { sequenceNumber: 2n }));
    expect(heard.map(({ message }) => (message as { value: unknown }).value)).toEqual([
      text.encode('a'),
      'b',
    ]);
  });
});
