import { describe, expect, it } from 'vitest';
import { Searching } from '../src/searching.ts';
import type { TopicCandidate, TopicPeerSource } from '../src/ports.ts';
import {
  collect,
  createService,
  crowd,
  errorOf,
  FakeClock,
  FakeRouter,
  named,
  never,
  peerIds,
  settled,
} from './fakes.ts';

function searching() {
  const clock = new FakeClock();
  const router = new FakeRouter(peerIds.alice);
  const meshSize = () => ({ target: 6, high: 12 });
  const find: TopicPeerSource['find'] = (topic, config) => router.find(topic, config);
  const search = new Searching({ clock, router, dialer: router, find, meshSize });
  router.watcher = {
    judge: () => ({ verdict: 'ignore' }),
    onDropped: () => {},
    onLinks: (topic) => search.onLinks(topic),
    onViolation: () => {},
  };
  /** Whoever is dialled subscribes to the topic at once. */
  const welcoming = (topic: string): void => {
    router.onDial = async (peerId) => router.link(topic, [...router.topicPeers(topic), peerId]);
  };
  return { clock, router, search, welcoming };
}

describe('looking for peers of a topic', () => {
  it('dials those that are named until the topic has enough', async () => {
    const { router, search, welcoming } = searching();
    router.onFind = () => named(...crowd(20));
    welcoming('a');
    await search.search('a');
    expect(router.dialled).toEqual(crowd(4));
  });

  it('leaves out this node and those that are connected', async () => {
    const { router, search, clock } = searching();
    router.connected.add(peerIds.bob);
    router.onFind = () => named(peerIds.alice, peerIds.bob, peerIds.carol, peerIds.carol);
    const over = search.search('a');
    await clock.advance(3_000);
    await over;
    expect(router.dialled).toEqual([peerIds.carol]);
  });

  it('dials four at once and eight at most', async () => {
    const { router, search, clock } = searching();
    let open = 0;
    let most = 0;
    router.onDial = async () => {
      most = Math.max(most, ++open);
      await settled();
      open--;
      throw new Error('nobody there');
    };
    router.onFind = () => named(...crowd(20));
    const over = search.search('a');
    await clock.advance(3_000);
    await over;
    expect(most).toBe(4);
    expect(router.dialled).toEqual(crowd(8));
  });

  it('leaves those alone for ten minutes that did not answer, or did not subscribe', async () => {
    const { router, search, clock } = searching();
    router.onFind = () => named(...crowd(3));
    router.onDial = async (peerId) => {
      if (peerId === 'peer-0') throw new Error('nobody there');
      if (peerId === 'peer-1') router.link('a', [peerId]);
    };
    const look = async (topic: string): Promise<string[]> => {
      router.dialled.length = 0;
      router.connected.clear();
      const over = search.search(topic);
      await clock.advance(3_000);
      await over;
      return [...router.dialled];
    };
    expect(await look('a')).toEqual(['peer-0', 'peer-1', 'peer-2']);
    expect(await look('a')).toEqual(['peer-1']);
    expect(await look('b')).toEqual(['peer-1', 'peer-2']);
    await clock.advance(600_000);
    expect(await look('a')).toEqual(['peer-0', 'peer-1', 'peer-2']);
  });

  it('gives nobody time who needs none: all that were dialled are subscribed', async () => {
    const { router, search, clock, welcoming } = searching();
    router.onFind = () => named('peer-1');
    welcoming('a');
    await search.search('a');
    expect(clock.pending).toBe(0);
  });

  it('is over after ten seconds, whatever hangs', async () => {
    for (const hang of ['find', 'dial'] as const) {
      const { router, search, clock } = searching();
      if (hang === 'find')
        router.onFind = () => ({ [Symbol.asyncIterator]: () => ({ next: () => never() }) });
      else {
        router.onFind = () => named(...crowd(9));
        router.onDial = () => never();
      }
      const over = search.search('a');
      await clock.advance(9_999);
      expect(clock.pending).toBe(1);
      await clock.advance(1);
      await over;
      expect(clock.pending).toBe(0);
    }
  });

  it('ends as soon as others have come by themselves, and nobody was dialled in vain', async () => {
    const { router, search } = searching();
    const signals: AbortSignal[] = [];
    router.onFind = () => named('peer-9');
    router.onDial = (_, { signal }) => {
      signals.push(signal);
      return never(signal);
    };
    const over = search.search('a');
    await settled();
    router.link('a', crowd(4));
    await over;
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    router.link('a', []);
    void search.search('a');
    await settled();
    expect(router.dialled).toEqual(['peer-9', 'peer-9']);
    search.stop();
  });

  it('is done for one topic at a time, once for all who ask, and helps the others', async () => {
    const { router, search } = searching();
    const looked: string[] = [];
    router.onFind = (topic) => {
      looked.push(topic);
      return named(...crowd(9));
    };
    router.onDial = async (peerId) => {
      for (const topic of ['a', 'b']) router.link(topic, [...router.topicPeers(topic), peerId]);
    };
    await Promise.all(['a', 'a', 'b'].map((topic) => search.search(topic)));
    expect(looked).toEqual(['a']);
    await search.search('c', AbortSignal.abort());
  });

  it('does nothing for a topic that has enough', async () => {
    const { router, search } = searching();
    router.link('a', crowd(4));
    router.onFind = () => expect.unreachable('nobody is needed');
    await search.search('a');
  });

  it('looks for others where those that are there make no mesh, until there is one', async () => {
    const { router, search } = searching();
    router.link('a', crowd(4), []);
    router.onFind = () => named('peer-7', 'peer-8', 'peer-9');
    router.onDial = async (peerId) => {
      const peers = [...router.topicPeers('a'), peerId];
      router.link('a', peers, peerId === 'peer-7' ? [] : crowd(4));
    };
    await search.search('a');
    expect(router.dialled).toContain('peer-8');
    expect(router.dialled.length).toBeLessThanOrEqual(3);
  });

  it('dials eight at most where nobody makes a mesh', async () => {
    const { router, search, clock } = searching();
    router.link('a', crowd(4), []);
    router.onFind = () => named(...crowd(30).slice(4));
    router.onDial = async (peerId) => router.link('a', [...router.topicPeers('a'), peerId], []);
    const over = search.search('a');
    await clock.advance(10_000);
    await over;
    expect(router.dialled).toHaveLength(8);
  });

  it('needs no mesh of a topic that had too few peers: that comes by itself', async () => {
    const { router, search } = searching();
    router.onFind = () => named(...crowd(20));
    router.onDial = async (peerId) => router.link('a', [...router.topicPeers('a'), peerId], []);
    await search.search('a');
    expect(router.dialled).toEqual(crowd(4));
  });

  const hostile: [string, () => AsyncIterable<TopicCandidate>][] = [
    [
      'throws',
      () => {
        throw new Error('x');
      },
    ],
    ['gives nothing', () => undefined as never],
    ['rejects', () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('x')) }) })],
    [
      'names what is none',
      async function* () {
        yield* [null, 7, {}, { peerId: 1 }, { peerId: 'peer-1', addresses: 'x' }] as never[];
        yield new Proxy({}, { ownKeys: () => expect.unreachable('hostile') }) as never;
      },
    ],
    [
      'never ends, and cannot be ended',
      () => ({
        [Symbol.asyncIterator]: () => ({
          next: () => Promise.resolve({ done: false, value: { peerId: peerIds.alice, addresses: [] } }),
          return: () => Promise.reject(new Error('x')),
        }),
      }),
    ],
  ];
  it.each(hostile)('survives a source that %s', async (_, find) => {
    const { router, search, clock } = searching();
    router.onFind = find;
    const over = search.search('a');
    await clock.advance(10_000);
    await over;
    expect(clock.pending).toBe(0);
    expect(router.dialled.length).toBeLessThanOrEqual(1);
  });

  it('ends with the service', async () => {
    const { router, search, clock } = searching();
    router.onFind = () => ({ [Symbol.asyncIterator]: () => ({ next: () => never() }) });
    const all = [search.search('a'), search.search('b')];
    await settled();
    search.stop();
    await Promise.all(all);
    await search.search('c');
    expect(clock.pending).toBe(0);
  });
});

describe('a node that lacks peers', () => {
  it('looks for few topics at a time because of publishes, however many names are tried', async () => {
    const { service, clock, router } = await createService();
    const looked = new Set<string>();
    router.onFind = (topic) => {
      looked.add(topic);
      return { [Symbol.asyncIterator]: () => ({ next: () => never() }) };
    };
    const names = Array.from({ length: 100 }, (_, at) => `topic-${at}`);
    const waiting = names.map((name) => errorOf(service.publishMessage(name, new Uint8Array(1))));
    await clock.advance(1_000_000);
    await Promise.all(waiting);
    expect(looked.size).toBe(16);
  });

  it('looks for them through the ports: two heartbeats after it joined', async () => {
    const dialled: string[] = [];
    const dialer = {
      dial: async (peerId: string, addresses: readonly string[]) =>
        void dialled.push(`${peerId} ${addresses.length}`),
    };
    const topics: string[] = [];
    const topicPeers = {
      find: (topic: string) => {
        topics.push(topic);
        return named(peerIds.bob);
      },
    };
    const { service, clock, router } = await createService({ dialer, topicPeers });
    await service.subscribeTopic('a');
    await clock.advance(1_799);
    expect(topics).toEqual([]);
    await clock.advance(401);
    expect(topics).toEqual(['a']);
    expect(dialled).toEqual([`${peerIds.bob} 1`]);
    expect(router.dialled).toEqual([]);
    await service.stop();
    await settled();
    expect(clock.pending).toBe(0);
  });

  it('asks the network itself when the port names too few, also when it fails', async () => {
    const sources: (() => AsyncIterable<TopicCandidate>)[] = [
      () => named(peerIds.bob),
      () => {
        throw new Error('it cannot be asked');
      },
      // eslint-disable-next-line require-yield
      async function* () {
        throw new Error('it broke off');
      },
    ];
    for (const find of sources) {
      const { service, clock, router } = await createService({ topicPeers: { find } });
      router.onFind = () => named(peerIds.carol);
      await service.subscribeTopic('a');
      await clock.advance(2_200);
      expect(router.dialled.at(-1)).toBe(peerIds.carol);
      expect(router.errors).toHaveLength(find === sources[0] ? 0 : 1);
      await service.stop();
    }
  });

  it('goes on looking while it is told that a topic has no mesh, whoever is subscribed', async () => {
    const { service, clock, router } = await createService();
    let searches = 0;
    router.onFind = () => {
      searches++;
      return named();
    };
    await service.subscribeTopic('a');
    const degraded = collect(service, 'gossip:degraded');
    router.link('a', crowd(4), []);
    await clock.advance(10_000);
    expect(degraded).toMatchObject([{ topic: 'a', reason: 'NO_MESH' }]);
    expect(searches).toBe(0);
    await clock.advance(300_000);
    expect(searches).toBeGreaterThanOrEqual(8);
    expect(searches).toBeLessThanOrEqual(16);
    router.link('a', crowd(4));
    const before = searches;
    await clock.advance(300_000);
    expect(searches).toBe(before);
    await service.stop();
  });

  it('looks at once when somebody wants to publish, and not for each message', async () => {
    const { service, clock, router } = await createService();
    let searches = 0;
    router.onFind = () => {
      searches++;
      return named();
    };
    const waiting = Array.from({ length: 5 }, () => errorOf(service.publishMessage('a', new Uint8Array(1))));
    await settled();
    expect(searches).toBe(1);
    await clock.advance(5_000);
    await Promise.all(waiting);
    expect(searches).toBe(1);
    await service.stop();
    await settled();
    expect(clock.pending).toBe(0);
  });
});
