import { recordFile } from '@lloom/inspector/vitest';
import { VirtualClock } from '@lloom/simkit';
import { describe, expect, test } from 'vitest';
import { lifecycles } from '../lifecycle.ts';
import { breakerMachine, type BreakerEvent, type BreakerState } from './breaker.machine.ts';

const machines = recordFile();
const tripped = { type: 'peer.tripped', avoidMs: 100 } as const;
const recovered = { type: 'peer.recovered' } as const;
const forget = { type: 'peer.forget' } as const;
const began = { type: 'probe.began' } as const;
const ended = { type: 'probe.ended' } as const;

/** What happens, and the time in ms that passes. */
const paths: Record<string, (BreakerEvent | number)[]> = {
  closed: [],
  open: [tripped],
  halfOpen: [tripped, 100],
  probing: [tripped, 100, began],
};

const table: [from: keyof typeof paths, event: BreakerEvent, to: BreakerState][] = [
  ['closed', tripped, 'open'],
  ['closed', began, 'closed'],
  ['closed', ended, 'closed'],
  ['open', tripped, 'open'],
  ['open', began, 'open'],
  ['open', ended, 'open'],
  ['halfOpen', tripped, 'open'],
  ['halfOpen', began, 'probing'],
  ['halfOpen', ended, 'halfOpen'],
  ['probing', tripped, 'open'],
  ['probing', began, 'probing'],
  ['probing', ended, 'halfOpen'],
  ...Object.keys(paths).flatMap((from): [string, BreakerEvent, BreakerState][] => [
    [from, recovered, 'closed'],
    [from, forget, 'forgotten'],
  ]),
];

describe.each([
  ['table', {}],
  ['actor', { inspect: machines.inspect }],
])('a breaker by %s', (_, ports) => {
  const start = async (...steps: readonly (BreakerEvent | number)[]) => {
    const clock = new VirtualClock();
    const life = lifecycles(breakerMachine, { clock, ...ports }).start(
      { peerId: 'peer-1' },
      { id: 'breaker:peer-1', onEnd: () => undefined },
    );
    for (const step of steps) {
      if (typeof step === 'number') await clock.runFor(step);
      else life.send(step);
    }
    return { clock, life };
  };

  test.each(table)('that is %s goes with %o to %s', async (from, event, to) => {
    const { life, clock } = await start(...paths[from]!, event);
    expect(life.state).toBe(to);
    expect(clock.pending).toBe(to === 'open' || to === 'probing' ? 1 : 0);
  });

  test.each(['open', 'probing'])('that is %s stays so for as long as it was told', async (from) => {
    const { life, clock } = await start(...paths[from]!);
    await clock.runFor(99);
    expect(life.state).toBe(from);
    await clock.runFor(1);
    expect(life.state).toBe('halfOpen');
  });

  test('that is open is not made longer by what was asked before', async () => {
    const { life } = await start(tripped, 60, { ...tripped, avoidMs: 5_000 }, 40);
    expect(life.state).toBe('halfOpen');
  });

  test('that opens again is open for as long as it is told then', async () => {
    const { life, clock } = await start(...paths['probing']!, { ...tripped, avoidMs: 200 }, 199);
    expect(life.state).toBe('open');
    await clock.runFor(1);
    expect(life.state).toBe('halfOpen');
  });
});

test('tests take every way that a breaker can go', () => {
  expect(machines.coverage(breakerMachine).missed).toEqual([]);
});
