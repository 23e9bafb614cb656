import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { Controlled, createClock, settled } from '../../test/machines.ts';
import type { DialResult } from '../internal/bootstrapPeers.ts';
import { bootstrapMachine, type BootstrapEmitted, type BootstrapEvent } from './bootstrap.machine.ts';

const machines = recordFile();
const retry = { retryDelayMs: 1_000, maxRetryDelayMs: 30_000 };
const bootstrapIntervalMs = 900_000;
const failures = [{ address: '/ip4/127.0.0.1/tcp/1', reason: 'refused' }];
const answered: DialResult = { answered: ['peer-1'], failures };
const unanswered: DialResult = { answered: [], failures };

function begin() {
  const clock = createClock();
  const dial = new Controlled<DialResult>();
  const lookUp = new Controlled<number>();
  const machine = bootstrapMachine.provide({ actors: { dial: dial.logic, lookUp: lookUp.logic } });
  const input = { retry, bootstrapIntervalMs, seed: 3 };
  const actor = createActor(machine, { input, clock, inspect: machines.inspect, id: 'bootstrap' });
  const told: BootstrapEmitted[] = [];
  actor.on('*', (event) => told.push(event));
  actor.start();
  return { actor, clock, dial, lookUp, told };
}

type Harness = ReturnType<typeof begin>;

const send = (type: BootstrapEvent['type']) => async (at: Harness) => {
  at.actor.send({ type });
  await settled();
};
const run = send('bootstrap.run');
const lose = send('bootstrap.lost');
const wait = (ms: number) => async (at: Harness) => {
  at.clock.increment(ms);
  await settled();
};
const lookingUp = async (at: Harness): Promise<void> => {
  await run(at);
  await at.dial.resolve(answered);
};

/** How each state is reached. */
const given = {
  idle: () => settled(),
  dialing: run,
  lookingUp,
  waiting: async (at: Harness) => {
    await lookingUp(at);
    await at.lookUp.resolve(0);
  },
  joined: async (at: Harness) => {
    await lookingUp(at);
    await at.lookUp.resolve(3);
  },
  backingOff: async (at: Harness) => {
    await run(at);
    await at.dial.resolve(unanswered);
  },
};

interface Row {
  readonly state: keyof typeof given;
  readonly act: string;
  readonly does: (at: Harness) => Promise<void>;
  readonly next: string;
}

const row = (state: Row['state'], act: string, does: Row['does']) => ({
  to: (next: string): Row => ({ state, act, does, next }),
});

const table = [
  row('idle', 'run', run).to('dialing'),
  row('idle', 'lost', lose).to('idle'),
  row('idle', 'time', wait(bootstrapIntervalMs * 2)).to('idle'),
  row('dialing', 'a peer answers', (at) => at.dial.resolve(answered)).to('lookingUp'),
  row('dialing', 'nobody answers', (at) => at.dial.resolve(unanswered)).to('backingOff'),
  row('dialing', 'it fails', (at) => at.dial.reject()).to('backingOff'),
  row('dialing', 'run', run).to('dialing'),
  row('dialing', 'lost', lose).to('dialing'),
  row('lookingUp', 'peers are found', (at) => at.lookUp.resolve(1)).to('joined'),
  row('lookingUp', 'nobody is found', (at) => at.lookUp.resolve(0)).to('waiting'),
  row('lookingUp', 'it fails', (at) => at.lookUp.reject()).to('joined'),
  row('lookingUp', 'run', run).to('dialing'),
  row('waiting', 'time', wait(50)).to('lookingUp'),
  row('waiting', 'not enough time', wait(49)).to('waiting'),
  row('waiting', 'run', run).to('dialing'),
  row('joined', 'time', wait(bootstrapIntervalMs * 1.1)).to('dialing'),
  row('joined', 'not enough time', wait(bootstrapIntervalMs * 0.9 - 1)).to('joined'),
  row('joined', 'run', run).to('dialing'),
  row('joined', 'lost', lose).to('backingOff'),
  row('backingOff', 'time', wait(1_100)).to('dialing'),
  row('backingOff', 'not enough time', wait(899)).to('backingOff'),
  row('backingOff', 'run', run).to('dialing'),
  row('backingOff', 'lost', lose).to('backingOff'),
];

describe('bootstrap', () => {
  it.each(table)('$state: $act → $next', async ({ state, does, next }) => {
    const at = begin();
    await given[state](at);
    expect(at.actor.getSnapshot().value).toBe(state);
    await does(at);
    expect(at.actor.getSnapshot().value).toBe(next);
    at.actor.stop();
  });

  it('tells who answered and how many were found', async () => {
    const at = begin();
    await given.joined(at);
    expect(at.told).toEqual([{ type: 'bootstrap.joined', peerIds: ['peer-1'], foundPeers: 3 }]);
    at.actor.stop();
  });

  it('tells every address that failed, and waits longer each time', async () => {
    const at = begin();
    await given.backingOff(at);
    await wait(1_100)(at);
    await at.dial.resolve(unanswered);
    const delays = at.told.map((told) => (told.type === 'bootstrap.failed' ? told.delayMs : Number.NaN));
    expect(at.told).toMatchObject([
      { type: 'bootstrap.failed', failures },
      { type: 'bootstrap.failed', failures },
    ]);
    expect(delays[1]).toBeGreaterThan(delays[0] ?? Number.NaN);
    at.actor.stop();
  });

  it('comes back less and less often to peers that close every connection, until one has lasted', async () => {
    const at = begin();
    await given.joined(at);
    const delays: number[] = [];
    const loseAndRejoin = async (): Promise<void> => {
      await lose(at);
      const { delayMs } = at.actor.getSnapshot().context;
      delays.push(delayMs);
      await wait(delayMs)(at);
      await at.dial.resolve(answered);
      await at.lookUp.resolve(3);
    };
    for (let times = 0; times < 12; times++) await loseAndRejoin();
    expect(delays[0]).toBeLessThan(1_100);
    expect(delays[5]).toBeGreaterThan(20_000);
    expect(Math.max(...delays)).toBeLessThan(132_000);
    expect(delays.at(-1)).toBeGreaterThan(60_000);
    await wait(bootstrapIntervalMs * 1.1)(at);
    await at.dial.resolve(answered);
    await at.lookUp.resolve(3);
    await loseAndRejoin();
    expect(delays.at(-1)).toBeLessThan(1_100);
    at.actor.stop();
  });

  it('has joined after six look-ups that found nobody: there may be no DHT to speak of', async () => {
    const at = begin();
    await lookingUp(at);
    for (let lookups = 1; lookups < 6; lookups++) {
      await at.lookUp.resolve(0);
      await wait(50 * 2 ** (lookups - 1))(at);
    }
    await at.lookUp.resolve(0);
    expect(at.actor.getSnapshot().value).toBe('joined');
    expect(at.told).toEqual([{ type: 'bootstrap.joined', peerIds: ['peer-1'], foundPeers: 0 }]);
    // Being alone is checked as soon as a failure would be, and ever later.
    expect(at.actor.getSnapshot().context).toMatchObject({ attempt: 1 });
    await wait(1_100)(at);
    expect(at.actor.getSnapshot().value).toBe('dialing');
    await at.dial.resolve(answered);
    await at.lookUp.resolve(2);
    expect(at.actor.getSnapshot().context).toMatchObject({ attempt: 0 });
    expect(at.actor.getSnapshot().context.delayMs).toBeGreaterThan(800_000);
    at.actor.stop();
  });

  it('does not look for company where there is no DHT', async () => {
    const at = begin();
    await lookingUp(at);
    await at.lookUp.reject();
    expect(at.actor.getSnapshot().context.delayMs).toBeGreaterThan(800_000);
    at.actor.stop();
  });

  it('begins a new round from the start', async () => {
    const at = begin();
    await given.joined(at);
    await run(at);
    await at.dial.resolve(answered);
    await at.lookUp.resolve(0);
    expect(at.actor.getSnapshot().context).toMatchObject({ lookups: 1, foundPeers: 0 });
    at.actor.stop();
  });

  it('keeps plain JSON as its context', async () => {
    const at = begin();
    await given.joined(at);
    const { context } = at.actor.getSnapshot();
    expect(JSON.parse(JSON.stringify(context))).toEqual(context);
    at.actor.stop();
  });

  it('leaves nothing behind when it is stopped, in any state', async () => {
    for (const reach of Object.values(given)) {
      const at = begin();
      await reach(at);
      at.actor.stop();
      expect(at.dial.open + at.lookUp.open).toBe(0);
      const calls = at.dial.calls.length + at.lookUp.calls.length;
      at.clock.increment(10 * bootstrapIntervalMs);
      expect(at.dial.calls.length + at.lookUp.calls.length).toBe(calls);
    }
  });

  it('needs its effects from the service', async () => {
    const input = { retry, bootstrapIntervalMs, seed: 3 };
    const bare = createActor(bootstrapMachine, { input, clock: createClock() });
    bare.start();
    bare.send({ type: 'bootstrap.run' });
    await settled();
    expect(bare.getSnapshot().value).toBe('backingOff');
    bare.stop();
  });
});
