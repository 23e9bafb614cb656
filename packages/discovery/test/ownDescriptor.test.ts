import { describe, expect, it } from 'vitest';
import { createService, executor, readFrame } from './fakes.ts';

describe('the own descriptor', () => {
  it('is nothing until something is offered, and empty at once when it is withdrawn', async () => {
    const { service, network } = await createService();
    const ask = async () => readFrame(await network.serving!());
    expect(await ask()).toBeUndefined();
    await service.advertiseService(executor());
    expect((await ask())?.services).toEqual([executor()]);
    network.onRetire = () => new Promise(() => {});
    const withdrawal = service.withdrawService('executor');
    expect((await ask())?.services).toEqual([]);
    await service.stop();
    await withdrawal;
  });

  it('is signed once for many, and again when a third of its lifetime is over', async () => {
    const { service, network, clock, signer } = await createService({ descriptorTtlMs: 90_000 });
    await service.advertiseService(executor());
    await Promise.all([network.serving!(), network.serving!()]);
    await clock.advance(29_999);
    await network.serving!();
    expect(signer.signed).toBe(1);
    await clock.advance(1);
    await network.serving!();
    expect(signer.signed).toBe(2);
    await service.stop();
  });

  it('has a sequence that grows with every change, and across restarts', async () => {
    const { service, network, clock } = await createService();
    const sequence = async () => readFrame(await network.serving!())?.sequence ?? Number.NaN;
    await service.advertiseService(executor());
    const first = await sequence();
    await service.updateServiceInfo(executor());
    const second = await sequence();
    await service.withdrawService('executor');
    const third = await sequence();
    expect([second - first, third - second]).toEqual([1, 1]);
    expect(first).toBe(clock.now());
    await service.stop();
  });

  it('is signed anew after a signer that failed', async () => {
    const { service, network, signer } = await createService();
    await service.advertiseService(executor());
    const sign = signer.sign.bind(signer);
    signer.sign = () => Promise.reject(new Error('locked'));
    await expect(network.serving!()).rejects.toThrow('locked');
    signer.sign = sign;
    expect(readFrame(await network.serving!())?.services).toHaveLength(1);
    await service.stop();
  });
});
