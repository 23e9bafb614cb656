import { describe, expect, it } from 'vitest';
import { createService } from './fakes.ts';
import { collect, errorOf } from './observing.ts';

describe('refreshing', () => {
  it('looks again for what was looked for, when asked and by itself', async () => {
    const { service, clock } = await createService();
    await service.discoverExecutors();
    await service.findModelProviders('a');
    await service.findModelProviders('a');
    const discovered = collect(service, 'service:discovered');
    await Promise.all([service.refreshServices(), service.refreshServices()]);
    expect(discovered.map((event) => event.service)).toEqual([
      { kind: 'executor' },
      { kind: 'executor', model: 'a' },
    ]);
    await clock.advance(330_000);
    expect(discovered).toHaveLength(4);
    await service.stop();
  });

  it('remembers the last 32 questions', async () => {
    const { service } = await createService();
    for (let n = 0; n < 40; n++) await service.findModelProviders(`model-${n}`);
    const { interests } = service.snapshot().refresh;
    expect(interests).toHaveLength(32);
    expect(interests[0]).toEqual({ kind: 'executor', model: 'model-8' });
    await service.stop();
  });

  it('rejects when not one search worked, and tries again sooner', async () => {
    const { service, network, clock } = await createService();
    await service.discoverExecutors();
    network.loseDht();
    expect(await errorOf(service.refreshServices())).toMatchObject({ code: 'QUERY_FAILED' });
    expect(service.snapshot().refresh.state).toBe('backingOff');
    network.names();
    const discovered = collect(service, 'service:discovered');
    await clock.advance(1_100);
    expect(discovered).toHaveLength(1);
    await service.stop();
    expect(await errorOf(service.refreshServices())).toMatchObject({ code: 'STOPPED' });
  });

  it('has nothing to do as long as nobody asked', async () => {
    const { service } = await createService();
    await service.refreshServices();
    await service.stop();
  });
});
