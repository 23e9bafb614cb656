import { describe, expect, it } from 'vitest';
import {
  createService,
  descriptorFrame,
  executor,
  never,
  peerIds,
  readFrame,
  tampered,
  validator,
} from './fakes.ts';
import { settled } from './machines.ts';
import { errorOf } from './observing.ts';

const { bob, carol } = peerIds;
const intervalMs = 30_000;

type Made = Awaited<ReturnType<typeof createService>>;

/** A service to which these peers listen, and what each was told since the last look: how many services, and when. */
async function createAnnouncer(listeners: readonly string[] = [bob]) {
  const made = await createService();
  made.network.audience.push(...listeners);
  const told = (): string[] =>
    made.network.told
      .splice(0)
      .map(({ peerId, frame }) => `${peerId === bob ? 'bob' : 'carol'} ${readFrame(frame)?.services.length}`);
  return { ...made, told };
}

/** When each announcement begins within so long, from now on. */
async function timesOf({ network, clock }: Made, ms: number): Promise<number[]> {
  const begunAt: number[] = [];
  const startedAt = clock.now();
  network.onAskExchange = async () => {
    begunAt.push(clock.now() - startedAt);
    return new Uint8Array();
  };
  await clock.advance(ms);
  return begunAt;
}

describe('connected peers', () => {
  it('are told at once what is offered, and what is changed or added right after that together', async () => {
    const { service, clock, told } = await createAnnouncer([bob, carol]);
    await service.advertiseService(executor());
    await settled();
    expect(told()).toEqual(['bob 1', 'carol 1']);
    await service.updateServiceInfo(executor(['demo-small', 'demo-large']));
    await service.advertiseService(validator);
    await clock.advance(199);
    expect(told()).toEqual([]);
    await clock.advance(1);
    expect(told()).toEqual(['bob 2', 'carol 2']);
    await service.stop();
  });

  it('are told again within each interval, and not in the same rhythm', async () => {
    const made = await createAnnouncer();
    await made.service.advertiseService(executor());
    await settled();
    const times = [0, ...(await timesOf(made, 30 * intervalMs))];
    const gaps = times.slice(1).map((time, index) => time - times[index]!);
    expect(gaps.length).toBeGreaterThanOrEqual(30);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(intervalMs);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0.8 * intervalMs);
    expect(new Set(gaps).size).toBeGreaterThan(20);
    await made.service.stop();
  });

  it('are told with a new signature each time: it shows that this node lives', async () => {
    const { service, network, clock, signer } = await createAnnouncer();
    await service.advertiseService(executor());
    await clock.advance(10 * intervalMs);
    expect(signer.signed).toBe(network.told.length);
    const sequences = new Set(network.told.map(({ frame }) => readFrame(frame)?.sequence));
    expect(sequences.size).toBe(1);
    await service.stop();
  });

  it('are told at once what is taken back, once, and then nothing any more', async () => {
    const { service, clock, told } = await createAnnouncer();
    await service.advertiseService(executor());
    await settled();
    told();
    await service.withdrawService('executor');
    expect(told()).toEqual(['bob 0']);
    await clock.advance(10 * intervalMs);
    expect(told()).toEqual([]);
    await service.stop();
  });

  it('are told what is still offered when another offer is taken back', async () => {
    const { service, clock, told } = await createAnnouncer();
    await service.advertiseService(executor());
    await service.advertiseService(validator);
    await clock.advance(1_000);
    told();
    await service.withdrawService('executor');
    expect(told()).toEqual(['bob 1']);
    await clock.advance(intervalMs + 1_000);
    expect(told().length).toBeGreaterThan(0);
    await service.stop();
  });

  it('are told by a new start what is offered', async () => {
    const { service, told } = await createAnnouncer();
    await service.advertiseService(executor());
    await service.stop();
    told();
    await service.start();
    service.afterStart();
    await settled();
    expect(told()).toEqual(['bob 1']);
    await service.stop();
  });

  it('are told when the addresses of this node have changed', async () => {
    const { service, network, clock, told } = await createAnnouncer();
    network.listening = ['/ip4/127.0.0.1/tcp/4002'];
    network.watcher?.onAddresses();
    await clock.advance(1_000);
    expect(told()).toEqual([]);
    await service.advertiseService(executor());
    await clock.advance(1_000);
    told();
    network.listening = ['/ip4/127.0.0.1/tcp/4003'];
    network.watcher?.onAddresses();
    await settled();
    expect(readFrame(network.told.at(-1)!.frame)?.addresses).toEqual(['/ip4/127.0.0.1/tcp/4003']);
    await service.stop();
  });

  it('are 1,024 at most, 32 at a time', async () => {
    const { service, network } = await createAnnouncer(
      Array.from({ length: 1_500 }, (_, index) => `peer-${index}`),
    );
    let [open, most] = [0, 0];
    network.onSend = async () => {
      most = Math.max(most, ++open);
      await settled();
      open--;
    };
    await service.advertiseService(executor());
    for (let rounds = 0; rounds < 40; rounds++) await settled();
    expect([network.told.length, most]).toEqual([1_024, 32]);
    await service.stop();
  });
});

describe('announcing to nobody', () => {
  it('signs nothing, as long as nobody listens', async () => {
    const { service, network, clock, signer } = await createService();
    await service.advertiseService(executor());
    await clock.advance(10 * intervalMs);
    expect(signer.signed).toBe(0);
    network.audience.push(bob);
    await clock.advance(intervalMs);
    expect(network.told.length).toBeGreaterThan(0);
    await service.stop();
  });

  it('tells nothing, as long as nothing is offered', async () => {
    const { service, clock, told } = await createAnnouncer();
    await clock.advance(10 * intervalMs);
    await service.withdrawService('executor');
    expect(told()).toEqual([]);
    await service.stop();
  });

  it('goes on when the signer, or who listens, cannot be had', async () => {
    const { service, network, clock, signer, told } = await createAnnouncer();
    const sign = signer.sign.bind(signer);
    signer.sign = () => Promise.reject(new Error('locked'));
    await service.advertiseService(executor());
    await settled();
    expect([told(), network.errors]).toEqual([[], [new Error('locked')]]);
    signer.sign = sign;
    await clock.advance(intervalMs);
    expect(told()).toEqual(['bob 1']);
    const listeners = network.listeners.bind(network);
    network.listeners = () => Promise.reject(new Error('no peer store'));
    await clock.advance(intervalMs);
    expect(told()).toEqual([]);
    network.listeners = listeners;
    await clock.advance(intervalMs);
    expect(told()).toEqual(['bob 1']);
    await service.stop();
  });
});

describe('a peer that does not listen to the end', () => {
  it('holds up nobody else, and is waited for as long as for a descriptor', async () => {
    const { service, network, clock, told } = await createAnnouncer([carol, bob]);
    let givenUpAt = 0;
    network.onAskExchange = (peerId, _, signal) => {
      if (peerId === bob) return Promise.resolve(new Uint8Array());
      signal.addEventListener('abort', () => (givenUpAt = clock.now()));
      return never(signal);
    };
    const startedAt = clock.now();
    await service.advertiseService(executor());
    await settled();
    expect(told()).toEqual(['carol 1', 'bob 1']);
    await clock.advance(6_000);
    expect(givenUpAt - startedAt).toBe(5_000);
    expect(service.snapshot().announcement.state).toBe('resting');
    await service.stop();
  });

  it('holds up a withdrawal for a second, and all others hear it at once', async () => {
    const { service, network, clock, told } = await createAnnouncer([carol, bob]);
    await service.advertiseService(executor());
    await clock.advance(1_000);
    told();
    network.onAskExchange = (peerId, _, signal) =>
      peerId === bob ? Promise.resolve(new Uint8Array()) : never(signal);
    let isDone = false;
    const withdrawal = service.withdrawService('executor').then(() => (isDone = true));
    await settled();
    expect(told()).toEqual(['carol 0', 'bob 0']);
    await clock.advance(999);
    expect(isDone).toBe(false);
    await clock.advance(1);
    expect(isDone).toBe(true);
    await withdrawal;
    await service.stop();
  });

  it('does not keep the service from stopping, nor a withdrawal from ending', async () => {
    const { service, network, clock } = await createAnnouncer();
    network.onAskExchange = (_, __, signal) => never(signal);
    await service.advertiseService(executor());
    await settled();
    const withdrawal = service.withdrawService('executor');
    await settled();
    await service.stop();
    await withdrawal;
    expect(clock.pending).toBe(0);
  });

  it('is told nothing any more by a withdrawal that comes while it is being told', async () => {
    const { service, network, told } = await createAnnouncer();
    const first = Promise.withResolvers<Uint8Array>();
    network.onAskExchange = () => first.promise;
    await service.advertiseService(executor());
    await settled();
    network.onAskExchange = () => Promise.resolve(new Uint8Array());
    await service.withdrawService('executor');
    expect(told()).toEqual(['bob 1', 'bob 0']);
    await service.stop();
  });
});

describe('a peer that connects', () => {
  it('is greeted with what is offered, once in 10 s', async () => {
    const { service, network, clock, told } = await createAnnouncer([]);
    await service.advertiseService(executor());
    const connect = async (): Promise<void> => {
      network.watcher?.onListener(bob);
      await settled();
    };
    await connect();
    expect(told()).toEqual(['bob 1']);
    await clock.advance(9_999);
    await connect();
    expect(told()).toEqual([]);
    await clock.advance(1);
    await connect();
    expect(told()).toEqual(['bob 1']);
    await service.stop();
  });

  it('is not greeted when nothing is offered, and then later it is', async () => {
    const { service, network, told } = await createAnnouncer([]);
    network.watcher?.onListener(bob);
    await settled();
    expect(told()).toEqual([]);
    await service.advertiseService(executor());
    network.watcher?.onListener(bob);
    await settled();
    expect(told()).toEqual(['bob 1']);
    await service.stop();
  });

  it('is one of 32 that are greeted at the same time, all with one signature', async () => {
    const { service, network, signer } = await createAnnouncer([]);
    await service.advertiseService(executor());
    network.onSend = (_, signal) => never(signal);
    for (let index = 0; index < 2_000; index++) network.watcher?.onListener(`peer-${index}`);
    await settled();
    expect([network.told.length, signer.signed]).toEqual([32, 1]);
    await service.stop();
    await settled();
    expect(network.told).toHaveLength(32);
  });

  it('may be gone again, and may be met by a signer that fails', async () => {
    const { service, network, signer } = await createAnnouncer([]);
    await service.advertiseService(executor());
    network.onAskExchange = () => Promise.reject(new Error('reset'));
    network.watcher?.onListener(bob);
    await settled();
    signer.sign = () => Promise.reject(new Error('locked'));
    await service.updateServiceInfo(validator);
    network.watcher?.onListener(carol);
    await settled();
    expect(network.errors.map(String)).toEqual(['Error: reset', 'Error: locked']);
    await service.stop();
  });
});

describe('what a peer announces', () => {
  it('is known at once, without a question, and answered with nothing', async () => {
    const { service, network, clock } = await createService();
    const hear = network.handlers.get('announce')!;
    const frame = await descriptorFrame(bob, [executor()], { clock });
    expect(await hear(bob, frame)).toEqual(new Uint8Array());
    expect([service.servicesOf(bob), network.asked]).toEqual([[executor()], []]);
    expect(service.snapshot().descriptors).toMatchObject({ live: 1, kept: 1, accepted: 1 });
    await service.stop();
  });

  it('is refused when it proves nothing, and counted', async () => {
    const { service, network, clock } = await createService();
    const hear = network.handlers.get('announce')!;
    const frame = tampered(await descriptorFrame(bob, [executor()], { clock }));
    expect(await errorOf(hear(bob, frame))).toMatchObject({ code: 'DESCRIPTOR_REFUSED' });
    expect(service.servicesOf(bob)).toEqual([]);
    expect(service.snapshot().descriptors.dropped).toMatchObject({ FORGED: 1 });
    await service.stop();
  });
});
