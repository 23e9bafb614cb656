import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createActor, fromCallback, fromPromise, setup, SimulatedClock, type InspectionEvent } from 'xstate';
import { createLive, machineChart, type LiveActor, type LiveMachines } from './index.ts';
import { gateMachine } from '../test/runs.ts';

afterEach(() => vi.restoreAllMocks());

const startGate = (live: LiveMachines, id?: string) =>
  createActor(gateMachine, { ...(id !== undefined && { id }), inspect: live.inspect }).start();

/** Of each actor what is asked for most. */
const shortOf = (actors: readonly LiveActor[]) => actors.map(({ id, status }) => `${id} ${status}`);

describe('a live view', () => {
  it('tells where an actor is, what it did last, and how it ended', () => {
    const clock = new SimulatedClock();
    const live = createLive({ clock });
    clock.increment(500);
    const gate = startGate(live, 'north');
    clock.increment(20);
    gate.send({ type: 'gate.kick' });
    gate.send({ type: 'gate.pay' });
    gate.send({ type: 'gate.pay' });
    clock.increment(5);
    const { actors, nowMs, isWhole } = live.changes();
    expect({ nowMs, isWhole }).toEqual({ nowMs: 25, isWhole: true });
    expect(actors).toEqual([
      {
        key: 0,
        id: 'north',
        machine: 'gate',
        status: 'active',
        states: ['gate', 'gate.free'],
        startedMs: 0,
        steps: 4,
        lastSteps: [
          {
            atMs: 20,
            times: 1,
            event: 'gate.kick',
            transitions: [],
            refused: ['locked gate.kick [isBroken] → free', 'locked gate.kick [isStrong] → free'],
          },
          { atMs: 20, times: 1, event: 'gate.pay', transitions: ['gate.locked|gate.pay|0'], refused: [] },
          { atMs: 20, times: 1, event: 'gate.pay', transitions: ['gate.locked|gate.pay|0'], refused: [] },
          { atMs: 20, times: 1, event: 'gate.pay', transitions: ['gate.locked||0'], refused: [] },
        ],
      },
    ]);
    gate.send({ type: 'gate.push' });
    const [ended] = live.changes().actors;
    expect(ended).toMatchObject({ status: 'done', states: ['gate', 'gate.passed'], endedMs: 25, steps: 5 });
  });

  it('takes one place for an event that is ignored again and again', () => {
    const clock = new SimulatedClock();
    const live = createLive({ clock, maxSteps: 2 });
    const gate = startGate(live);
    gate.send({ type: 'gate.pay' });
    const before = live.changes();
    for (let round = 0; round < 50; round++) {
      clock.increment(1);
      gate.send({ type: 'gate.kick' });
    }
    const [told] = live.changes(before.version).actors;
    expect(told?.steps).toBe(51);
    expect(told?.lastSteps.map(({ event, times, atMs }) => [event, times, atMs])).toEqual([
      ['gate.pay', 1, 0],
      ['gate.kick', 50, 50],
    ]);
    // What was told before stays as it was.
    expect(before.actors[0]?.lastSteps).toHaveLength(1);
  });

  it('tells only what changed after a version, the latest change last', () => {
    const live = createLive();
    const [north, south] = [startGate(live, 'north'), startGate(live, 'south')];
    const { version } = live.changes();
    expect(live.changes(version)).toMatchObject({ version, isWhole: false, actors: [], gone: [] });
    south.send({ type: 'gate.pay' });
    const next = live.changes(version);
    expect(shortOf(next.actors)).toEqual(['south active']);
    expect(next.version).toBeGreaterThan(version);
    south.send({ type: 'gate.pay' });
    north.send({ type: 'gate.pay' });
    expect(shortOf(live.changes(next.version).actors)).toEqual(['south active', 'north active']);
    expect(shortOf(live.changes(version).actors)).toEqual(['south active', 'north active']);
    expect(live.changes(live.changes().version).actors).toEqual([]);
  });

  it('counts the actors of each machine, where they are, and what they took', () => {
    const live = createLive();
    const gates = [startGate(live), startGate(live), startGate(live), startGate(live)];
    gates[0]?.send({ type: 'gate.pay' });
    for (const gate of gates.slice(0, 2)) gate.send({ type: 'gate.pay' });
    gates[3]?.stop();
    expect(live.machines()).toEqual([
      {
        machine: 'gate',
        living: 3,
        started: 4,
        inStates: { gate: 3, 'gate.free': 1, 'gate.locked': 2 },
        taken: { 'gate.locked||0': 1, 'gate.locked|gate.pay|0': 3 },
      },
    ]);
    expect(live.chart('gate')).toEqual(machineChart(gateMachine));
    expect(live.chart('nobody')).toBeUndefined();
  });

  it('tells who started whom, and sees actors of any logic', async () => {
    const live = createLive();
    const machine = setup({
      types: {} as { events: { type: 'bell' } },
      actors: {
        ring: fromCallback<{ type: 'bell' }>(({ sendBack }) => sendBack({ type: 'bell' })),
        work: fromPromise(() => Promise.resolve('done')),
      },
    }).createMachine({
      id: 'house',
      initial: 'waiting',
      invoke: { id: 'ring', src: 'ring' },
      states: {
        waiting: { on: { bell: { target: 'working' } } },
        working: { invoke: { id: 'work', src: 'work', onDone: { target: 'resting' } } },
        resting: { type: 'final' },
      },
    });
    const house = createActor(machine, { id: 'home', inspect: live.inspect }).start();
    await new Promise<void>((resolve) => house.subscribe({ complete: () => resolve() }));
    const byId = new Map(live.changes().actors.map((actor) => [actor.id, actor]));
    expect(byId.get('home')).toMatchObject({ key: 0, machine: 'house', status: 'done' });
    expect(byId.get('ring')).toMatchObject({ parent: 0, status: 'stopped', states: [], steps: 0 });
    expect(byId.get('work')).toMatchObject({ parent: 0, status: 'done' });
    expect(byId.get('work')).not.toHaveProperty('machine');
  });

  it('may begin in the middle, and sees those who only send', () => {
    const parts = { sendBack: (_: { type: 'bell' }): void => undefined };
    const machine = setup({
      types: {} as { events: { type: 'bell' } },
      actors: {
        ring: fromCallback<{ type: 'bell' }>(({ sendBack }) => {
          parts.sendBack = sendBack;
        }),
      },
    }).createMachine({ id: 'house', invoke: { id: 'ring', src: 'ring' } });
    const house = createActor(machine, { id: 'home' }).start();
    const live = createLive();
    house.system.inspect(live.inspect);
    parts.sendBack({ type: 'bell' });
    expect(shortOf(live.changes().actors)).toEqual(['ring active', 'home active']);
    expect(live.changes().actors[1]?.states).toEqual(['house']);
  });

  it('tells the end of a machine that failed as soon as anything reaches it', () => {
    vi.spyOn(console, 'warn').mockReturnValue();
    const live = createLive();
    const machine = setup({
      types: {} as { events: { type: 'fall' } },
      actions: {
        fail: () => {
          throw new Error('no');
        },
      },
    }).createMachine({ id: 'clumsy', on: { fall: { actions: 'fail' } } });
    const clumsy = createActor(machine, { inspect: live.inspect });
    clumsy.subscribe({ error: () => undefined });
    clumsy.start();
    clumsy.send({ type: 'fall' });
    clumsy.send({ type: 'fall' });
    expect(live.changes().actors).toMatchObject([{ status: 'error' }]);
    expect(live.machines()).toMatchObject([{ living: 0, started: 1, inStates: {} }]);
  });

  it('is plain JSON, and holds nothing of what events and contexts carry', () => {
    const live = createLive();
    startGate(live).send({ type: 'gate.pay', secret: 'a secret of the test' } as never);
    const told = { changes: { ...live.changes(), nowMs: 0 }, machines: live.machines() };
    expect(JSON.parse(JSON.stringify(told))).toEqual(told);
    expect(JSON.stringify(told)).not.toContain('a secret of the test');
  });
});

describe('bounds of a live view', () => {
  it('keep the actors that ended last, and tell which ones are gone', () => {
    const live = createLive({ maxEnded: 2 });
    const gates = [0, 1, 2, 3].map((each) => startGate(live, `gate ${each}`));
    const { version } = live.changes();
    for (const gate of gates) gate.stop();
    const { actors, gone } = live.changes(version);
    expect(shortOf(actors)).toEqual(['gate 2 stopped', 'gate 3 stopped']);
    expect(gone).toEqual([0, 1]);
    expect(shortOf(live.changes().actors)).toEqual(['gate 2 stopped', 'gate 3 stopped']);
    expect(live.changes().gone).toEqual([]);
  });

  it('tell everything to who has lagged behind, or comes from another view', () => {
    const live = createLive({ maxActors: 1, maxEnded: 1 });
    startGate(live, 'first').stop();
    const { version } = live.changes();
    for (let i = 0; i < 3; i++) startGate(live, `next ${i}`).stop();
    expect(live.changes(version)).toMatchObject({ isWhole: true, gone: [], actors: [{ id: 'next 2' }] });
    for (const odd of [1e9, -1, Number.NaN]) {
      expect(live.changes(odd)).toMatchObject({ isWhole: true, gone: [], actors: [{ id: 'next 2' }] });
    }
    const latest = live.changes().version;
    startGate(live, 'last').stop();
    expect(live.changes(latest)).toMatchObject({ isWhole: false, gone: [3], actors: [{ id: 'last' }] });
  });

  it('count living actors that there is no room for, and tell of them when there is', () => {
    const live = createLive({ maxActors: 2 });
    const gates = [0, 1, 2, 3, 4].map((each) => startGate(live, `gate ${each}`));
    const crowded = live.changes();
    expect(shortOf(crowded.actors)).toEqual(['gate 0 active', 'gate 1 active']);
    expect(crowded.untold).toBe(3);
    expect(live.machines()).toMatchObject([{ living: 5, inStates: { 'gate.locked': 5 } }]);
    gates[4]?.stop();
    expect(live.changes(crowded.version)).toMatchObject({ untold: 2, actors: [] });
    gates[3]?.send({ type: 'gate.pay' });
    gates[0]?.stop();
    gates[3]?.send({ type: 'gate.pay' });
    const { actors, untold } = live.changes(crowded.version);
    expect(untold).toBe(1);
    expect(shortOf(actors)).toEqual(['gate 0 stopped', 'gate 3 active']);
    // Steps are exact, also those that nobody was told of.
    expect(actors[1]).toMatchObject({ states: ['gate', 'gate.free'], steps: 3 });
  });

  it('keep the last steps of each actor', () => {
    const live = createLive({ maxSteps: 3 });
    const gate = startGate(live);
    for (let i = 0; i < 5; i++) {
      gate.send({ type: 'gate.kick' });
      gate.send({ type: 'gate.reset' });
    }
    const [actor] = live.changes().actors;
    expect(actor?.steps).toBe(10);
    expect(actor?.lastSteps.map(({ event }) => event)).toEqual(['gate.reset', 'gate.kick', 'gate.reset']);
  });

  it('tell machines of one id apart, and count those that there is no room for', () => {
    const live = createLive({ maxMachines: 2 });
    const make = (name: string) =>
      setup({}).createMachine({ id: 'door', initial: name, states: { [name]: {} } });
    for (const name of ['shut', 'open', 'gone', 'shut']) {
      createActor(make(name), { inspect: live.inspect }).start();
    }
    expect(live.machines()).toMatchObject([
      { machine: 'door', living: 2, inStates: { 'door.shut': 2 } },
      { machine: 'door (2)', living: 1, inStates: { 'door.open': 1 } },
    ]);
    const { actors, dropped } = live.changes();
    expect(actors.map(({ machine }) => machine)).toEqual(['door', 'door (2)', '(others)', 'door']);
    expect(actors[2]?.states).toEqual(['door', 'door.gone']);
    expect(dropped).toEqual({ machines: 1, reports: 0, labels: 0 });
    expect(live.chart('door (2)')?.root.states.map(({ name }) => name)).toEqual(['open']);
  });

  it('cut long names', () => {
    const live = createLive({ maxTextLength: 8 });
    startGate(live, 'a'.repeat(1_000)).send({ type: 'x'.repeat(1_000) } as never);
    const [actor] = live.changes().actors;
    expect(actor).toMatchObject({ id: 'aaaaaaa…', lastSteps: [{ event: 'xxxxxxx…' }] });
  });

  it('are whole numbers', () => {
    for (const odd of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '7' as never]) {
      expect(() => createLive({ maxSteps: odd })).toThrow(
        new RangeError(`maxSteps must be a whole number from 0 on, not ${odd}`),
      );
    }
    const empty = createLive({ maxActors: 0, maxEnded: 0, maxSteps: 0, maxMachines: 0, maxTextLength: 0 });
    startGate(empty).stop();
    expect(empty.changes()).toMatchObject({ actors: [], gone: [], untold: 0 });
    expect(empty.machines()).toEqual([]);
  });
});

describe('memory of a live view', () => {
  it('keeps no actor alive, and counts one that nobody holds as stopped', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const live = createLive({ maxActors: 1 });
    const run = (): WeakRef<object>[] => {
      // What its actions can reach may lead to the actor itself.
      const reached: object[] = [];
      const machine = gateMachine.provide({ actions: { addCoin: () => void reached.length } });
      const gates = [0, 1].map(() => createActor(machine, { inspect: live.inspect }).start());
      reached.push(...gates);
      gates[0]?.send({ type: 'gate.pay' });
      return gates.flatMap((gate) => [new WeakRef(gate), new WeakRef(gate.getSnapshot())]);
    };
    const held = run();
    expect(live.changes()).toMatchObject({ actors: [{ key: 0, status: 'active' }], untold: 1 });
    const { version } = live.changes();
    // What a weak reference gave is kept until the turn is over; who holds a thing is told of its end in another turn.
    for (let turn = 0; turn < 4; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      collectGarbage();
    }
    expect(held.map((reference) => reference.deref())).toEqual(held.map(() => undefined));
    expect(live.changes(version)).toMatchObject({ actors: [{ key: 0, status: 'stopped' }], untold: 0 });
    expect(live.machines()).toMatchObject([{ living: 0, started: 2, inStates: {} }]);
  });
});

describe('inspect of a live view', () => {
  it('never throws, whatever it is told, and counts what it could not read', () => {
    const live = createLive({
      clock: {
        now: () => {
          throw new Error('no time');
        },
      },
    });
    const odd: unknown[] = [
      undefined,
      null,
      'text',
      {},
      { type: '@xstate.event' },
      { type: '@xstate.snapshot' },
    ];
    for (const event of odd) expect(() => live.inspect(event as InspectionEvent)).not.toThrow();
    const gate = startGate(live);
    gate.send({ type: 'gate.pay' });
    expect(gate.getSnapshot().context.coins).toBe(1);
    expect(live.changes()).toMatchObject({ nowMs: 0, actors: [{ steps: 1, startedMs: 0 }] });
    expect(live.changes().dropped.reports).toBeGreaterThan(2);
  });
});
