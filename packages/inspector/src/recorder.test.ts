import { afterEach, describe, expect, it, vi } from 'vitest';
import { createActor, fromCallback, fromPromise, setup } from 'xstate';
import { createRecorder, machineChart } from './index.ts';
import { entriesOf, storyOf, gateMachine } from '../test/runs.ts';

afterEach(() => vi.restoreAllMocks());

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
      {
        index: 0,
        name: 'home',
        id: 'home',
        kind: 'machine',
        machine: 'house',
        shape: machineChart(machine).shape,
      },
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
