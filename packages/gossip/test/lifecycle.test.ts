import { describe, expect, it } from 'vitest';
import { createService, errorOf, inputs, peerIds, settled } from './fakes.ts';
import { GossipTopic } from '../src/types.ts';

describe('the gossip service', () => {
  it('has the name by which libp2p knows it, and gossipsub underneath', async () => {
    const { service, router } = await createService();
    expect(Object.prototype.toString.call(service)).toBe('[object @lloom/gossip]');
    expect(service.pubsub).toBe(router.pubsub);
    expect(service.peerScores()).toEqual([]);
  });

  it('starts and stops once, however often it is told to', async () => {
    const { service, router } = await createService({ started: false });
    let starts = 0;
    router.onStart = async () => void starts++;
    await service.stop();
    await Promise.all([service.start(), service.start()]);
    await service.start();
    expect(starts).toBe(1);
    await Promise.all([service.stop(), service.stop()]);
    expect(service.snapshot()).toMatchObject({ running: false, topics: [], alarms: [] });
  });

  it('shows nothing and sends nothing while it is stopped', async () => {
    const { service, router } = await createService();
    router.link('a', [peerIds.bob]);
    await service.stop();
    expect(service.topicPeers('a')).toEqual([]);
    expect(service.gossipsubMeshPeers('a')).toEqual([]);
    expect(service.peerScores()).toEqual([]);
    const publish = service.publishMessage(GossipTopic.NetworkStatus, inputs.metrics);
    expect(await errorOf(publish)).toMatchObject({ code: 'STOPPED' });
  });

  it('is not started by a router that is not, and can be started again', async () => {
    const { service, router, clock } = await createService({ started: false });
    await service.subscribeTopic('a');
    router.onStart = () => Promise.reject(new Error('no port'));
    expect(await errorOf(service.start())).toMatchObject({ message: 'no port' });
    expect(service.snapshot().running).toBe(false);
    expect(clock.pending).toBe(0);
    router.onStart = () => Promise.resolve();
    await service.start();
    expect(router.subscribed).toEqual(new Set(['a']));
  });

  it('is stopped altogether when a wanted topic cannot be joined', async () => {
    const { service, router, clock } = await createService({ started: false });
    await service.subscribeTopic('a');
    router.subscribe = () => {
      throw new Error('not allowed');
    };
    expect(await errorOf(service.start())).toMatchObject({ message: 'not allowed' });
    expect(service.snapshot().running).toBe(false);
    expect(router.watcher).toBeUndefined();
    expect(clock.pending).toBe(0);
    Reflect.deleteProperty(router, 'subscribe');
    await service.start();
    expect(service.snapshot()).toMatchObject({ running: true, topics: [{ topic: 'a' }] });
  });

  it('does nothing until its router is started, and nothing when it was stopped before', async () => {
    const { service, router, clock } = await createService({ started: false });
    const begun = Promise.withResolvers<void>();
    router.onStart = () => begun.promise;
    const starting = service.start();
    await service.subscribeTopic('a');
    expect(await errorOf(service.publishMessage('a', new Uint8Array()))).toMatchObject({ code: 'STOPPED' });
    await service.stop();
    begun.resolve();
    await starting;
    await settled();
    expect(router.subscribed.size).toBe(0);
    expect(service.snapshot().running).toBe(false);
    expect(clock.pending).toBe(0);
  });

  it('ends iterations over its events when it stops', async () => {
    const { service } = await createService();
    const next = service.events().next();
    await service.stop();
    expect(await next).toMatchObject({ done: true });
  });

  it('leaves nothing behind', async () => {
    const { service, clock } = await createService();
    for (const topic of ['a', 'b']) await service.subscribeTopic(topic);
    await clock.advance(30_000);
    await service.stop();
    expect(clock.pending).toBe(0);
  });
});
