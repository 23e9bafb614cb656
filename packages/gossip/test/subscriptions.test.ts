import { describe, expect, it } from 'vitest';
import { collect, createService, crowd, errorOf, named } from './fakes.ts';

describe('a subscribed topic', () => {
  it('is joined at the start, left at the stop, and wanted over a restart', async () => {
    const { service, router } = await createService({ started: false });
    await service.subscribeTopic('b');
    await service.subscribeTopic('a');
    await service.subscribeTopic({ name: 'a' });
    expect(service.subscribedTopics()).toEqual(['a', 'b']);
    expect(service.snapshot().topics.map(({ state }) => state)).toEqual(['joining', 'joining']);
    await service.start();
    expect([...router.subscribed]).toEqual(['b', 'a']);
    await service.stop();
    expect(router.subscribed.size).toBe(0);
    await service.unsubscribeTopic('b');
    await service.start();
    expect([...router.subscribed]).toEqual(['a']);
  });

  it('may be left and joined again at once', async () => {
    const { service, router } = await createService();
    await service.subscribeTopic('a');
    router.link('a', crowd(6));
    await service.unsubscribeTopic('a');
    await service.unsubscribeTopic('a');
    expect(router.subscribed.size).toBe(0);
    expect(service.snapshot().topics).toEqual([]);
    await service.subscribeTopic('a');
    expect(router.subscribed).toEqual(new Set(['a']));
    expect(service.snapshot().topics).toMatchObject([
      { topic: 'a', state: 'healthy', topicPeers: 6, meshPeers: 6 },
    ]);
  });

  it('can be found by others for as long as it is subscribed and the service runs', async () => {
    const found: string[] = [];
    const announce = (topic: string) => {
      found.push(topic);
      return () => void found.splice(found.indexOf(topic), 1);
    };
    const { service } = await createService({ topicPeers: { find: () => named(), announce } });
    await service.subscribeTopic('a');
    await service.subscribeTopic('a');
    await service.subscribeTopic('b');
    expect(found).toEqual(['a', 'b']);
    await service.unsubscribeTopic('a');
    expect(found).toEqual(['b']);
    await service.stop();
    expect(found).toEqual([]);
    await service.start();
    expect(found).toEqual(['b']);
  });

  it('is one of 128 at most: neighbours note no more', async () => {
    const { service, router } = await createService();
    for (let at = 0; at < 128; at++) await service.subscribeTopic(`t${at}`);
    await service.subscribeTopic('t0');
    expect(await errorOf(service.subscribeTopic('one too many'))).toMatchObject({
      code: 'TOO_MANY_TOPICS',
      data: { topic: 'one too many', limit: 128 },
    });
    expect(router.subscribed.size).toBe(128);
    await service.unsubscribeTopic('t0');
    await service.subscribeTopic('one too many');
  });

  it('is subscribed also when it cannot be announced', async () => {
    const announce = () => {
      throw new Error('there are too many');
    };
    const { service, router } = await createService({ topicPeers: { find: () => named(), announce } });
    await service.subscribeTopic('a');
    expect(router.subscribed).toEqual(new Set(['a']));
    expect(router.errors).toHaveLength(1);
    await service.unsubscribeTopic('a');
    expect(router.subscribed.size).toBe(0);
  });

  it('without links is told after a while, with what can be done, and again when it is over', async () => {
    const { service, router, clock } = await createService();
    const degraded = collect(service, 'gossip:degraded');
    const recovered = collect(service, 'gossip:recovered');
    await service.subscribeTopic('a');
    await clock.advance(9_999);
    expect(degraded).toEqual([]);
    await clock.advance(1);
    expect(degraded).toEqual([
      {
        topic: 'a',
        reason: 'NO_PEERS',
        topicPeers: 0,
        meshPeers: 0,
        hint: expect.stringContaining('bootstrap'),
      },
    ]);
    await clock.advance(5_000);
    router.link('a', crowd(9), []);
    router.link('a', crowd(9), crowd(3));
    expect(degraded.slice(1)).toMatchObject([
      { topic: 'a', reason: 'NO_MESH', topicPeers: 9, meshPeers: 0 },
      { topic: 'a', reason: 'THIN_MESH', topicPeers: 9, meshPeers: 3 },
    ]);
    expect(service.snapshot().topics).toEqual([
      { topic: 'a', state: 'degraded', reason: 'THIN_MESH', topicPeers: 9, meshPeers: 3 },
    ]);
    await clock.advance(1_000);
    router.link('a', crowd(9), crowd(4));
    expect(recovered).toEqual([{ topic: 'a', reason: 'THIN_MESH', degradedMs: 6_000 }]);
    expect(service.snapshot().topics).toEqual([
      { topic: 'a', state: 'healthy', topicPeers: 9, meshPeers: 4 },
    ]);
  });

  it('is well with fewer peers than a full mesh when all of them are in it', async () => {
    const { service, router, clock } = await createService();
    const degraded = collect(service, 'gossip:degraded');
    await service.subscribeTopic('a');
    router.link('a', crowd(1));
    await clock.advance(60_000);
    expect(degraded).toEqual([]);
    expect(service.snapshot().topics).toMatchObject([{ state: 'healthy' }]);
  });

  it('of a hub is well long before its mesh is full', async () => {
    const { service, router, clock } = await createService({ profile: 'bootstrapper' });
    const degraded = collect(service, 'gossip:degraded');
    await service.subscribeTopic('a');
    router.link('a', crowd(40), crowd(38));
    await clock.advance(60_000);
    expect(degraded).toEqual([]);
  });

  it('is measured by the mesh size of now', async () => {
    const { service, router } = await createService();
    await service.subscribeTopic('a');
    router.link('a', crowd(9), crowd(2));
    expect(service.snapshot().topics).toMatchObject([{ state: 'joining' }]);
    service.setGossipsubMeshSize(3, 5);
    expect(router.meshSize).toEqual({ target: 3, high: 5 });
    expect(service.snapshot().topics).toMatchObject([{ state: 'healthy' }]);
    service.setGossipsubMeshSize(8, 12);
    expect(service.snapshot().topics).toMatchObject([{ state: 'thinning' }]);
  });

  it('that a listener leaves as soon as it is degraded is left', async () => {
    const { service, clock, router } = await createService();
    service.addEventListener('gossip:degraded', ({ detail: { topic } }) =>
      service.unsubscribeTopic(topic ?? ''),
    );
    await service.subscribeTopic('a');
    await clock.advance(60_000);
    expect(service.subscribedTopics()).toEqual([]);
    expect(router.errors).toEqual([]);
    await service.stop();
    expect(clock.pending).toBe(0);
  });
});
