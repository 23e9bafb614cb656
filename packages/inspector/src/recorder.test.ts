import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  assign,
  createActor,
  fromCallback,
  fromPromise,
  setup,
  SimulatedClock,
  type InspectionEvent,
} from 'xstate';
import { createRecorder, type Run, type RunEntry } from './index.ts';

afterEach(() => vi.restoreAllMocks());

type Kind = RunEntry['type'];

/** The entries of one sort, without what is not asked for. */
function entriesOf<Type extends Kind>(run: Run, type: Type) {
  return run.entries.filter((entry): entry is Extract<RunEntry, { type: Type }> => entry.type === type);
}

/** One line for each entry. */
function storyOf(run: Run): string[] {
  const name = (index: number | undefined): string =>
    index === undefined ? 'outside' : (run.actors[index]?.name ?? '?');
  return run.entries.map((entry) => {
    switch (entry.type) {
      case 'started':
        return `${name(entry.actor)} starts ${entry.entered.join(' ')}`.trim();
      case 'stopped':
        return `${name(entry.actor)} ends: ${entry.status}`;
      case 'sent':
        return `${name(entry.from)} sends ${entry.event} to ${name(entry.to)}`;
      case 'ignored':
        return `${name(entry.actor)} ignores ${entry.event}`;
      default: {
        const how = entry.always ? 'by itself takes' : 'takes';
        return `${name(entry.actor)} ${how} ${entry.transitions.join(' and ')}`;
      }
    }
  });
}

const gateMachine = setup({
  types: {} as {
    context: { coins: number };
    events: { type: 'gate.pay' } | { type: 'gate.push' } | { type: 'gate.kick' } | { type: 'gate.reset' };
  },
  guards: { isPaid: ({ context }) => context.coins >= 2, isBroken: () => false, isStrong: () => false },
  actions: { addCoin: assign({ coins: ({ context }) => context.coins + 1 }) },
}).createMachine({
  id: 'gate',
  context: { coins: 0 },
  initial: 'locked',
  on: { 'gate.reset': { target: '.locked' } },
  states: {
    locked: {
      always: { guard: 'isPaid', target: 'free' },
      on: {
        'gate.pay': { actions: 'addCoin' },
        'gate.kick': [
          { guard: 'isBroken', target: 'free' },
          { guard: 'isStrong', target: 'free' },
        ],
      },
    },
    free: {
      on: { 'gate.push': [{ guard: 'isBroken', target: 'free' }, { target: 'passed' }] },
    },
    passed: { type: 'final' },
  },
});

describe('a run', () => {
  it('tells what a machine was sent, took, entered and refused, in order', () => {
    const recorder = createRecorder();
    const gate = createActor(gateMachine, { inspect: recorder.inspect }).start();
    gate.send({ type: 'gate.push' });
    gate.send({ type: 'gate.kick' });
    gate.send({ type: 'gate.pay' });
    gate.send({ type: 'gate.pay' });
    gate.send({ type: 'gate.push' });
    const run = recorder.run();
    expect(storyOf(run)).toEqual([
      'gate starts locked',
      'outside sends gate.push to gate',
      'gate ignores gate.push',
      'outside sends gate.kick to gate',
      'gate ignores gate.kick',
      'outside sends gate.pay to gate',
      'gate takes locked gate.pay',
      'outside sends gate.pay to gate',
      'gate takes locked gate.pay',
      'gate by itself takes locked always [isPaid] → free',
      'outside sends gate.push to gate',
      'gate takes free gate.push → passed',
      'gate ends: done',
    ]);
    expect(run.entries.map(({ sequence }) => sequence)).toEqual([...run.entries.keys()]);
    const [, kicked] = entriesOf(run, 'ignored');
    expect(kicked?.refused).toEqual([
      'locked gate.kick [isBroken] → free',
      'locked gate.kick [isStrong] → free',
    ]);
    const passed = entriesOf(run, 'taken').at(-1);
    expect(passed).toMatchObject({ entered: ['passed'], refused: ['free gate.push [isBroken] → free'] });
  });

  it('counts how often each guard said no, also that of an always', () => {
    const recorder = createRecorder();
    const gate = createActor(gateMachine, { inspect: recorder.inspect }).start();
    gate.send({ type: 'gate.kick' });
    gate.send({ type: 'gate.pay' });
    gate.send({ type: 'gate.pay' });
    const [machine] = recorder.run().machines;
    expect(machine?.transitions).toEqual({
      // At the start, after the kick, and after the first coin.
      'gate.locked||0': { taken: 1, refused: 3 },
      'gate.locked|gate.pay|0': { taken: 2, refused: 0 },
      'gate.locked|gate.kick|0': { taken: 0, refused: 1 },
      'gate.locked|gate.kick|1': { taken: 0, refused: 1 },
    });
  });

  it('is plain JSON', () => {
    const recorder = createRecorder();
    createActor(gateMachine, { inspect: recorder.inspect }).start().send({ type: 'gate.pay' });
    const run = recorder.run();
    expect(JSON.parse(JSON.stringify(run))).toEqual(run);
  });

  it('sees an always that is taken before the machine starts', () => {
    const recorder = createRecorder();
    const machine = setup({}).createMachine({
      id: 'step',
      initial: 'first',
      states: { first: { always: 'second' }, second: { always: 'third' }, third: {} },
    });
    createActor(machine, { inspect: recorder.inspect }).start();
    expect(storyOf(recorder.run())).toEqual([
      'step starts first',
      'step by itself takes first always → second',
      'step by itself takes second always → third',
    ]);
    expect(recorder.run().machines[0]?.states).toMatchObject({
      'step.first': { visits: 1 },
      'step.second': { visits: 1 },
      'step.third': { visits: 1 },
    });
  });

  it('counts a state again when it is left and entered at once', () => {
    const recorder = createRecorder();
    const gate = createActor(gateMachine, { inspect: recorder.inspect }).start();
    gate.send({ type: 'gate.reset' });
    gate.send({ type: 'gate.pay' });
    expect(recorder.run().machines[0]?.states['gate.locked']?.visits).toBe(2);
    expect(entriesOf(recorder.run(), 'taken')[0]?.entered).toEqual(['locked']);
  });

  it('tells parallel states apart: only those that were asked have refused', () => {
    const recorder = createRecorder();
    const machine = setup({
      types: {} as { events: { type: 'tick' } },
      guards: { isNever: () => false },
    }).createMachine({
      id: 'both',
      type: 'parallel',
      on: { tick: { guard: 'isNever', target: '.left' } },
      states: {
        left: {
          initial: 'a',
          states: { a: { on: { tick: [{ guard: 'isNever', target: 'b' }, { target: 'b' }] } }, b: {} },
        },
        right: { initial: 'c', states: { c: { on: { tick: { guard: 'isNever', target: 'd' } } }, d: {} } },
      },
    });
    const both = createActor(machine, { inspect: recorder.inspect }).start();
    both.send({ type: 'tick' });
    both.send({ type: 'tick' });
    const [taken] = entriesOf(recorder.run(), 'taken');
    expect(taken).toMatchObject({
      transitions: ['left.a tick → left.b'],
      refused: ['left.a tick [isNever] → left.b', 'right.c tick [isNever] → right.d'],
      entered: ['left.b'],
    });
    // Nobody took the second one, so the machine itself was asked as well.
    expect(entriesOf(recorder.run(), 'ignored')[0]?.refused).toEqual([
      'right.c tick [isNever] → right.d',
      '(root) tick [isNever] → left',
    ]);
  });

  it('names the actors that a machine starts, what they send, and how they end', async () => {
    const recorder = createRecorder();
    const machine = setup({
      types: {} as { events: { type: 'bell' } },
      actors: {
        ring: fromCallback<{ type: 'bell' }>(({ sendBack }) => sendBack({ type: 'bell' })),
        work: fromPromise(() => Promise.resolve('done')),
      },
    }).createMachine({
      id: 'house',
      initial: 'waiting',
      states: {
        waiting: { invoke: { id: 'ring', src: 'ring' }, on: { bell: { target: 'working' } } },
        working: { invoke: { id: 'work', src: 'work', onDone: { target: 'resting' } } },
        resting: {},
      },
    });
    const house = createActor(machine, { id: 'home', inspect: recorder.inspect }).start();
    await new Promise<void>((resolve) => house.subscribe((now) => now.matches('resting') && resolve()));
    const run = recorder.run();
    expect(run.actors).toEqual([
      { index: 0, name: 'home', id: 'home', kind: 'machine', machine: 'house' },
      { index: 1, name: 'ring', id: 'ring', kind: 'actor', parent: 0 },
      { index: 2, name: 'work', id: 'work', kind: 'actor', parent: 0 },
    ]);
    expect(storyOf(run)).toEqual([
      'home starts waiting',
      'ring starts',
      'ring sends bell to home',
      'home takes waiting bell → working',
      'ring ends: stopped',
      'work starts',
      'work sends xstate.done.actor.work to home',
      'work ends: done',
      'home takes working xstate.done.actor.work → resting',
    ]);
  });

  it('tells the end of an actor that failed, and of the machine that had no use for that', async () => {
    vi.spyOn(console, 'error').mockReturnValue();
    const recorder = createRecorder();
    const machine = setup({
      actors: { work: fromPromise(() => Promise.reject(new Error('no'))) },
    }).createMachine({
      id: 'house',
      invoke: { id: 'work', src: 'work' },
    });
    const house = createActor(machine, { inspect: recorder.inspect });
    const failed = new Promise<void>((resolve) => house.subscribe({ error: () => resolve() }));
    house.start();
    await failed;
    expect(entriesOf(recorder.run(), 'stopped').map(({ status }) => status)).toEqual(['error', 'error']);
    expect(entriesOf(recorder.run(), 'ignored')).toEqual([]);
  });

  it('says so when an event comes after the end', () => {
    vi.spyOn(console, 'warn').mockReturnValue();
    const recorder = createRecorder();
    const gate = createActor(gateMachine, { inspect: recorder.inspect }).start();
    gate.stop();
    gate.send({ type: 'gate.pay' });
    expect(storyOf(recorder.run()).slice(-3)).toEqual([
      'gate ends: stopped',
      'outside sends gate.pay to gate',
      'gate ignores gate.pay',
    ]);
    expect(entriesOf(recorder.run(), 'ignored')[0]?.ended).toBe(true);
  });

  it('tells actors of the same name apart, whatever others were made before', () => {
    const recorder = createRecorder();
    for (const id of [undefined, 'gate', 'gate 2']) {
      createActor(gateMachine, { ...(id !== undefined && { id }), inspect: recorder.inspect }).start();
    }
    expect(recorder.run().actors.map(({ name }) => name)).toEqual(['gate', 'gate 2', 'gate 2 2']);
  });

  it('begins in the middle when it is attached to an actor that runs', () => {
    const gate = createActor(gateMachine).start();
    gate.send({ type: 'gate.pay' });
    const recorder = createRecorder();
    gate.system.inspect(recorder.inspect);
    gate.send({ type: 'gate.pay' });
    expect(storyOf(recorder.run())).toEqual([
      'outside sends gate.pay to gate',
      'gate starts locked',
      'gate takes locked gate.pay',
      'gate by itself takes locked always [isPaid] → free',
    ]);
  });

  it('lists a machine that was only declared', () => {
    const recorder = createRecorder();
    recorder.declare(gateMachine);
    const { machines, entries } = recorder.run();
    expect(machines).toMatchObject([{ chart: { id: 'gate' }, states: {}, transitions: {} }]);
    expect(entries).toEqual([]);
  });
});

describe('refusals', () => {
  it('are counted exactly as often as guards say no, wherever they are asked', () => {
    const said = new Map<string, number>();
    let chance = 7;
    const isLucky = (name: string): boolean => {
      chance = (chance * 48_271) % 2_147_483_647;
      const yes = chance % 3 === 0;
      if (!yes) said.set(name, (said.get(name) ?? 0) + 1);
      return yes;
    };
    const lucky = (name: string) => ({ type: 'isLucky' as const, params: { name } });
    const machine = setup({
      types: {} as { events: { type: 'a.one' } | { type: 'a.two' } | { type: 'b' } },
      guards: { isLucky: (_, { name }: { name: string }) => isLucky(name) },
      actions: { more: ({ self }) => self.send({ type: 'b' }) },
    }).createMachine({
      id: 'maze',
      initial: 'flat',
      on: { 'a.*': { guard: lucky('root a.*'), target: '.wide' } },
      states: {
        flat: {
          always: { guard: lucky('flat always'), target: 'wide' },
          on: {
            'a.one': [
              { guard: lucky('flat a.one 0'), target: 'wide' },
              { guard: lucky('flat a.one 1'), actions: 'more' },
            ],
            '*': { guard: lucky('flat *') },
          },
        },
        wide: {
          type: 'parallel',
          on: { b: { guard: lucky('wide b'), target: 'flat' } },
          states: {
            left: {
              initial: 'l1',
              on: { b: { guard: lucky('left b') } },
              states: {
                l1: { on: { 'a.one': { guard: lucky('l1 a.one'), target: 'l2' } } },
                l2: {
                  always: { guard: lucky('l2 always'), target: 'l1' },
                  on: { b: { guard: lucky('l2 b'), target: 'l1' } },
                },
              },
            },
            right: {
              initial: 'r1',
              states: {
                r1: { on: { 'a.*': [{ guard: lucky('r1 a.*'), target: 'r2' }], b: { target: 'r2' } } },
                r2: { on: { b: { guard: lucky('r2 b'), target: 'r1' } } },
              },
            },
          },
        },
      },
    });
    const recorder = createRecorder();
    const maze = createActor(machine, { inspect: recorder.inspect }).start();
    const events = ['a.one', 'a.two', 'b'] as const;
    for (let i = 0; i < 600; i++) maze.send({ type: events[(i * 7 + (i >> 3)) % 3]! });
    const counts = recorder.run().machines[0]?.transitions ?? {};
    const refused = (key: string): number => counts[key]?.refused ?? 0;
    const keys: Record<string, string> = {
      'root a.*': 'maze|a.*|0',
      'flat always': 'maze.flat||0',
      'flat a.one 0': 'maze.flat|a.one|0',
      'flat a.one 1': 'maze.flat|a.one|1',
      'flat *': 'maze.flat|*|0',
      'wide b': 'maze.wide|b|0',
      'left b': 'maze.wide.left|b|0',
      'l1 a.one': 'maze.wide.left.l1|a.one|0',
      'l2 always': 'maze.wide.left.l2||0',
      'l2 b': 'maze.wide.left.l2|b|0',
      'r1 a.*': 'maze.wide.right.r1|a.*|0',
      'r2 b': 'maze.wide.right.r2|b|0',
    };
    const recorded = Object.fromEntries(Object.entries(keys).map(([name, key]) => [name, refused(key)]));
    expect(said.size).toBe(Object.keys(keys).length);
    expect(recorded).toEqual(Object.fromEntries(said));
  });
});

describe('time', () => {
  it('is that of the clock that is given', () => {
    const clock = new SimulatedClock();
    const recorder = createRecorder({ clock: { elapsed: () => clock.now() } });
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
