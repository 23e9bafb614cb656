import { describe, expect, it } from 'vitest';
import { createService, peerIds } from './fakes.ts';
import { errorOf } from './observing.ts';

/** What callers write when they mean `{ signal: controller.signal }`, and what is nothing of the kind. */
const wrong = [
  { signal: new AbortController() },
  { signal: 'now' },
  { signals: 1 },
  null,
  0,
  '',
  [],
  () => ({}),
];

describe('a config that cannot be used', () => {
  it.each(wrong)('is told to whoever gave it, and leaves nothing behind: %j', async (given) => {
    const { service, network, clock } = await createService();
    network.names(peerIds.bob);
    const config = given as never;
    const query = { type: 'getStatistics' } as const;
    const calls = [
      () => service.discoverExecutors(config),
      () => service.findModelProviders('m', config),
      () => service.selectExecutor({ model: 'm' }, config),
      () => service.describeService(peerIds.bob, config),
      () => service.queryRegistry(peerIds.bob, query, config),
      () => service.findAlternative({ peerId: peerIds.bob, model: 'm' }, config),
      () => service.refreshServices(config),
      () => service.bootstrap(config),
      () => service.kadBootstrap(config),
      async () => service.executors(config),
    ];
    for (const call of calls) expect(await errorOf(call())).toMatchObject({ name: 'ConfigError' });
    expect(network.asked).toEqual([]);
    await service.stop();
    expect(clock.pending).toBe(0);
  });

  it('is one that signs for less than two announcements', async () => {
    const made = createService({ announcementIntervalMs: 60_000 });
    expect(await errorOf(made)).toMatchObject({
      code: 'INVALID_CONFIG',
      data: { problems: [{ path: 'discovery.descriptorTtlMs', got: '90000' }] },
    });
  });
});
