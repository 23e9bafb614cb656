import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createActor, setup, SimulatedClock, type InspectionEvent } from 'xstate';
import { createRecorder } from './index.ts';
import { entriesOf, gateMachine } from '../test/runs.ts';

afterEach(() => vi.restoreAllMocks());

describe('time', () => {
  it('is that of the clock that is given', () => {
    const clock = new SimulatedClock();
    const recorder = createRecorder({ clock });
    clock.increment(500);
    const gate = createActor(gateMachine, { inspect: recorder.inspect }).start();
    clock.increment(20);
    gate.send({ type: 'gate.pay' });
    gate.send({ type: 'gate.pay' });
    clock.increment(5);
    const run = recorder.run();
    expect(run.entries.map(({ atMs }) => atMs)).toEqual([0, 20, 20, 20, 20, 20]);
    expect(run.durationMs).toBe(25);
    expect(run.machines[0]?.states).toEqual({
      gate: { visits: 1, durationMs: 25 },
      'gate.locked': { visits: 1, durationMs: 20 },
      'gate.free': { visits: 1, durationMs: 5 },
    });
  });

  it('is that of a clock that others run on as well', () => {
    const clock = new SimulatedClock();
    const recorder = createRecorder({ clock });
    const machine = setup({ delays: { patienceMs: 1_500 } }).createMachine({
      id: 'lamp',
      initial: 'on',
      states: { on: { after: { 500: 'dim' } }, dim: { after: { patienceMs: 'off' } }, off: {} },
    });
    createActor(machine, { clock, inspect: recorder.inspect }).start();
    for (const ms of [500, 1_500, 70]) clock.increment(ms);
    const { machines, entries, durationMs } = recorder.run();
    expect(entries.at(-1)).toMatchObject({ event: 'xstate.after.patienceMs.lamp.dim', atMs: 2_000 });
    expect(durationMs).toBe(2_070);
    expect(machines[0]?.states).toEqual({
      lamp: { visits: 1, durationMs: 2_070 },
      'lamp.on': { visits: 1, durationMs: 500 },
      'lamp.dim': { visits: 1, durationMs: 1_500 },
      'lamp.off': { visits: 1, durationMs: 70 },
    });
  });

  it('is that of fake timers, and of those of other test runners that replace no performance', () => {
    vi.useFakeTimers();
    const recorder = createRecorder();
    const gate = createActor(gateMachine, { inspect: recorder.inspect }).start();
    vi.advanceTimersByTime(1_000);
    gate.send({ type: 'gate.kick' });
    vi.useRealTimers();
    // As Node's own runner marks the `Date` that it puts in place.
    const time = { ms: 5_000 };
    vi.stubGlobal('Date', { isMock: true, now: () => time.ms });
    gate.send({ type: 'gate.kick' });
    time.ms += 20;
    gate.send({ type: 'gate.kick' });
    vi.unstubAllGlobals();
    const sent = entriesOf(recorder.run(), 'sent');
    expect(sent.map(({ atMs }) => atMs)).toEqual([1_000, 1_000, 1_020]);
  });

  it('follows a performance.now that is replaced after the recorder was made', () => {
    const recorder = createRecorder();
    let now = 1_000_000;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const gate = createActor(gateMachine, { inspect: recorder.inspect }).start();
    now += 3_600_000;
    gate.send({ type: 'gate.pay' });
    expect(recorder.run().entries.map(({ atMs }) => atMs)).toEqual([0, 3_600_000, 3_600_000]);
  });

  it('ends with the last entry when the clock that was followed has been taken away again', () => {
    const recorder = createRecorder();
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const gate = createActor(gateMachine, { inspect: recorder.inspect }).start();
    now = 100;
    gate.send({ type: 'gate.kick' });
    now = 150;
    expect(recorder.run().durationMs).toBe(150);
    vi.restoreAllMocks();
    const { durationMs, machines } = recorder.run();
    expect(durationMs).toBe(150);
    expect(machines[0]?.states['gate.locked']).toEqual({ visits: 1, durationMs: 150 });
  });

  it('goes on from the last entry when another clock takes over, whatever that one tells', () => {
    const recorder = createRecorder();
    const gate = createActor(gateMachine, { inspect: recorder.inspect });
    for (const [fromMs, toMs] of [
      [0, 100],
      [5_000_000, 5_000_020],
      [7, 10],
    ] as const) {
      let now: number = fromMs;
      vi.restoreAllMocks();
      // Each spy is a clock of its own.
      vi.spyOn(performance, 'now').mockImplementation(() => now);
      gate.start();
      gate.send({ type: 'gate.kick' });
      now = toMs;
      gate.send({ type: 'gate.kick' });
    }
    const sent = entriesOf(recorder.run(), 'sent');
    expect(sent.map(({ atMs }) => atMs)).toEqual([0, 100, 100, 120, 120, 123]);
    expect(recorder.run().durationMs).toBe(123);
  });

  it('never makes a stay shorter than nothing when the clock goes back', () => {
    let now = 100;
    const recorder = createRecorder({ clock: { elapsed: () => now } });
    const gate = createActor(gateMachine, { inspect: recorder.inspect }).start();
    now = 0;
    gate.send({ type: 'gate.pay' });
    gate.send({ type: 'gate.pay' });
    const { machines, durationMs } = recorder.run();
    expect(machines[0]?.states['gate.locked']).toEqual({ visits: 1, durationMs: 0 });
    expect(durationMs).toBe(0);
  });
});

describe('bounds', () => {
  it('keep the first and the last entries, and say how many are missing between them', () => {
    const recorder = createRecorder({ firstEntries: 3, lastEntries: 4 });
    const gate = createActor(gateMachine, { inspect: recorder.inspect }).start();
    for (let i = 0; i < 10; i++) gate.send({ type: 'gate.kick' });
    const run = recorder.run();
    expect(run.entries.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 17, 18, 19, 20]);
    expect(run.dropped.entries).toBe(14);
    expect(run.machines[0]?.transitions['gate.locked|gate.kick|0']).toEqual({ taken: 0, refused: 10 });
  });

  it('keep 200 and 2,000 entries unless told otherwise', () => {
    const recorder = createRecorder();
    const gate = createActor(gateMachine, { inspect: recorder.inspect }).start();
    for (let i = 0; i < 1_500; i++) gate.send({ type: 'gate.kick' });
    const run = recorder.run();
    expect(run.entries).toHaveLength(2_200);
    expect(run.dropped.entries).toBe(801);
    expect(run.entries[200]?.sequence).toBe(1_001);
  });

  it('let actors beyond the maximum share a line, and count what they do all the same', () => {
    const recorder = createRecorder({ maxActors: 2 });
    for (let i = 0; i < 5; i++) {
      createActor(gateMachine, { inspect: recorder.inspect }).start().send({ type: 'gate.pay' });
    }
    const run = recorder.run();
    expect(run.actors.map(({ name }) => name)).toEqual(['gate', 'gate 2', '(others)']);
    expect(run.dropped.actors).toBe(3);
    expect(recorder.coverage(gateMachine).taken).toBe(1);
    expect(run.machines[0]?.transitions['gate.locked|gate.pay|0']?.taken).toBe(5);
  });

  it('count the parent of an actor among them when the recorder comes late', () => {
    const recorder = createRecorder({ maxActors: 1 });
    const machine = setup({
      types: {} as { events: { type: 'gate.open' } },
      actors: { gate: gateMachine },
    }).createMachine({
      id: 'park',
      type: 'parallel',
      states: {
        left: { invoke: { id: 'k1', src: 'gate' } },
        right: { invoke: { id: 'k2', src: 'gate' } },
      },
    });
    const park = createActor(machine).start();
    park.system.inspect({ next: recorder.inspect });
    const { k1, k2 } = park.getSnapshot().children;
    k1?.send({ type: 'gate.kick' });
    k2?.send({ type: 'gate.kick' });
    const run = recorder.run();
    expect(run.actors.map(({ name }) => name)).toEqual(['park', '(others)']);
    expect(run.dropped.actors).toBe(2);
    expect(entriesOf(run, 'sent').map(({ to }) => to)).toEqual([1, 1]);
  });

  it('cut long names of events and actors', () => {
    const recorder = createRecorder({ maxTextLength: 8 });
    const gate = createActor(gateMachine, { id: 'a'.repeat(1_000), inspect: recorder.inspect }).start();
    gate.send({ type: 'x'.repeat(1_000) } as never);
    const run = recorder.run();
    expect(run.actors[0]?.name).toBe('aaaaaaa…');
    expect(entriesOf(run, 'sent')[0]?.event).toBe('xxxxxxx…');
  });

  it('leave out machines beyond the maximum, and say how many', () => {
    const recorder = createRecorder({ maxMachines: 1 });
    for (const id of ['one', 'two', 'three']) {
      createActor(setup({}).createMachine({ id }), { inspect: recorder.inspect }).start();
    }
    expect(recorder.run().machines.map(({ chart }) => chart.id)).toEqual(['one']);
    expect(recorder.run().dropped.machines).toBe(2);
  });

  it('hold nothing of what events and contexts carry', () => {
    const recorder = createRecorder();
    const gate = createActor(gateMachine, { inspect: recorder.inspect }).start();
    gate.send({ type: 'gate.pay', secret: 'a secret of the test' } as never);
    expect(JSON.stringify(recorder.run())).not.toContain('a secret of the test');
  });
});

describe('memory', () => {
  it('keeps no actor alive, nor what it held', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const recorder = createRecorder();
    const run = (): WeakRef<object>[] => {
      const payload = { type: 'gate.pay' as const, large: Array.from({ length: 1_000 }, () => 'x') };
      const gate = createActor(gateMachine.provide({}), { inspect: recorder.inspect }).start();
      gate.send(payload);
      return [new WeakRef(gate), new WeakRef(payload), new WeakRef(gate.getSnapshot().context)];
    };
    const held = run();
    // What a weak reference gave is kept until the turn is over.
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    expect(held.map((reference) => reference.deref())).toEqual([undefined, undefined, undefined]);
    expect(recorder.run().machines[0]?.states['gate.locked']?.visits).toBe(1);
  });
});

describe('inspect', () => {
  it('can be taken out of the recorder', () => {
    const recorder = createRecorder();
    const { inspect } = recorder;
    createActor(gateMachine, { inspect }).start();
    expect(recorder.run().entries).toHaveLength(1);
  });

  it('never throws, whatever it is told, and counts what it could not read', () => {
    const recorder = createRecorder();
    const hostile = {
      get type(): string {
        throw new Error('no');
      },
    };
    const odd: unknown[] = [
      undefined,
      null,
      'text',
      {},
      hostile,
      { type: '@xstate.event' },
      { type: '@xstate.event', actorRef: {}, event: { type: 'x' } },
      { type: '@xstate.event', actorRef: {}, event: undefined },
      { type: '@xstate.microstep', actorRef: { logic: { root: 1, config: 2 } }, _transitions: 3 },
      { type: '@xstate.snapshot', actorRef: {} },
      { type: 'of another version' },
    ];
    for (const event of odd) expect(() => recorder.inspect(event as InspectionEvent)).not.toThrow();
    expect(recorder.run().dropped.reports).toBeGreaterThan(3);
  });

  it('lets a machine run on when the clock of the recorder throws', () => {
    const recorder = createRecorder({
      clock: {
        elapsed: () => {
          throw new Error('no time');
        },
      },
    });
    const gate = createActor(gateMachine, { inspect: recorder.inspect }).start();
    gate.send({ type: 'gate.pay' });
    expect(gate.getSnapshot().context.coins).toBe(1);
  });
});
