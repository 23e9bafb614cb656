import { afterEach, expect, test, vi } from 'vitest';
import { createActor, createMachine, setup, type AnyStateMachine } from 'xstate';
import { nodeMachine, runNode } from '../test/chartMachines.ts';
import { wellFormed } from '../test/wellFormed.ts';
import { chartSvg, createRecorder, machineChart, type MachineChart } from './index.ts';

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const doorMachine = setup({
  types: {} as { events: { type: 'door.open' } | { type: 'door.close' } | { type: 'door.knock' } },
  guards: { isLocked: () => false },
  actions: { ring: () => undefined },
}).createMachine({
  id: 'door',
  initial: 'closed',
  states: {
    closed: {
      description: 'Nobody comes in.',
      on: {
        'door.open': [{ guard: 'isLocked', target: 'stuck' }, { target: 'open' }],
        'door.knock': { actions: 'ring' },
      },
    },
    open: {
      entry: 'ring',
      on: { 'door.close': { target: 'closed' } },
      after: { 1000: { target: 'closed' } },
    },
    stuck: { type: 'final' },
  },
});

/** A run on a clock of its own: opened twice, closed once. */
function runDoor() {
  let now = 0;
  const recorder = createRecorder({ clock: { elapsed: () => now } });
  const door = createActor(doorMachine, { inspect: recorder.inspect }).start();
  for (const type of ['door.knock', 'door.open', 'door.close', 'door.open'] as const) {
    now += 1.5;
    door.send({ type });
  }
  now += 1_000;
  return recorder.run();
}

/** The lines of text of a picture. */
const textsOf = (svg: string): string[] =>
  [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text ?? '');

// These two come first: the layout is loaded by the first picture, and must not wait for time then either.
test('a chart is drawn while timers are fake', async () => {
  vi.useFakeTimers();
  expect(await chartSvg(machineChart(doorMachine))).toContain('</svg>');
});

test('a chart is drawn where timers never fire', async () => {
  vi.resetModules();
  const never = (): number => 0;
  vi.stubGlobal('setTimeout', never);
  vi.stubGlobal('setInterval', never);
  vi.stubGlobal('setImmediate', never);
  const fresh = await import('./chartSvg.ts');
  expect(await fresh.chartSvg(machineChart(doorMachine))).toContain('</svg>');
});

test('the chart of a small machine is the picture that was looked at', async () => {
  const svg = await chartSvg(machineChart(doorMachine), runDoor());
  await expect(svg).toMatchFileSnapshot('../test/golden/door.svg');
});

test('the chart of a machine with nested and parallel states is the picture that was looked at', async () => {
  const svg = await chartSvg(machineChart(nodeMachine), runNode());
  await expect(svg).toMatchFileSnapshot('../test/golden/node.svg');
});

test('a chart shows how often and how long, which guards said no, and what never happened', async () => {
  const svg = await chartSvg(machineChart(doorMachine), runDoor());
  const texts = textsOf(svg);
  expect(texts).toEqual(
    expect.arrayContaining([
      'door',
      '1 s',
      'closed',
      '×2 · 4.5 ms',
      'door.knock / ring ×1',
      'open',
      'entry / ring',
      'door.open ×2',
      'if isLocked (no ×2)',
      'after 1000 ms',
    ]),
  );
  expect(svg).toContain('<title>Nobody comes in.</title>');
  const unused = [...svg.matchAll(/<g class="(?:row )?unused"[^>]*>.*?<\/g>/g)].map(
    ([group]) => textsOf(group)[0],
  );
  expect(new Set(unused)).toEqual(new Set(['after 1000 ms', 'door.open', 'stuck']));
});

test('without a run a chart is drawn plainly: nothing is marked as used, and nothing as never used', async () => {
  const svg = await chartSvg(machineChart(doorMachine));
  expect(svg).not.toContain('class="used');
  expect(svg).toContain('class="lm"');
  expect(await chartSvg(machineChart(doorMachine), runDoor())).toContain('class="lm counted"');
});

test('a chart says in a sentence what it shows', async () => {
  const plain = await chartSvg(machineChart(doorMachine));
  expect(plain).toContain('<title>Machine door</title>');
  expect(plain).toContain('<desc>A state chart with 3 states and 5 transitions, starting in closed.</desc>');
  expect(await chartSvg(machineChart(doorMachine), runDoor())).toContain(
    '<desc>A state chart with 3 states and 5 transitions, starting in closed. ' +
      '2 of the states were visited, 3 of the transitions taken.</desc>',
  );
});

test('transitions between the same states share an arrow, and each has a line of its own', async () => {
  const svg = await chartSvg(machineChart(doorMachine), runDoor());
  const shared =
    svg.split('\n').find((line) => line.includes('data-transition="door.open|door.close|0"')) ?? '';
  expect(textsOf(shared)).toEqual(['door.close', 'after 1000 ms']);
  expect(shared.match(/class="edge"/g)).toHaveLength(1);
  expect(shared).toMatch(/<g class="row used" data-transition="door.open\|door.close\|0">/);
  expect(shared).toMatch(
    /<g class="row unused" data-transition="door.open\|xstate.after.1000.door.open\|0">/,
  );
});

test('a transition into a state of its own starts at a ring inside', async () => {
  const config = { id: 'job', initial: 'a', on: { stop: '.b' }, states: { a: {}, b: { type: 'final' } } };
  const svg = await chartSvg(machineChart(anyMachine(config)));
  const [jump = ''] = svg.split('\n').filter((line) => line.includes('data-transition="job|stop|0"'));
  expect(jump).toContain('class="ring"');
  expect(jump).toContain('<title>from anywhere inside</title>');
});

test('what a transition is said to do is its tooltip', async () => {
  const states = { a: { on: { go: { target: 'b', description: 'Off it goes.' } } }, b: {} };
  const svg = await chartSvg(machineChart(anyMachine({ id: 'trip', initial: 'a', states })));
  expect(svg).toContain('data-transition="trip.a|go|0"><title>Off it goes.</title>');
});

test('a page around a chart can say that it is dark', async () => {
  const svg = await chartSvg(machineChart(doorMachine));
  expect(svg).toMatch(/\[data-theme=dark\] \.lm\{--ground:#1/);
  expect(svg).toMatch(/\[data-theme=light\] \.lm\{--ground:#f/);
});

test('a chart of another machine takes nothing from a run', async () => {
  const other = setup({}).createMachine({ id: 'door', initial: 'closed', states: { closed: {} } });
  expect(await chartSvg(machineChart(other), runDoor())).not.toContain('class="used');
});

test('the same run gives the same picture', async () => {
  const [first, second] = [runDoor(), runDoor()];
  const chart = machineChart(doorMachine);
  expect(await chartSvg(chart, second)).toBe(await chartSvg(chart, first));
});

test('a chart is light or dark as the reader asks, and needs nothing from elsewhere', async () => {
  const svg = await chartSvg(machineChart(doorMachine));
  expect(svg).toContain('prefers-color-scheme:dark');
  const addresses = [...svg.matchAll(/https?:[^"]*/g)].map(([address]) => address);
  expect(addresses).toEqual(['http://www.w3.org/2000/svg']);
  expect(svg).not.toMatch(/@import|url\(|<script|<image|<foreignObject/);
});

const hostile = `"><script>alert(1)</script>&'\u0000\u202e\uD800]]>`;

/** A machine of any configuration, however odd. */
const anyMachine = (config: object): AnyStateMachine => createMachine(config as never);

/** A machine all of whose names are an attack. */
const hostileMachine = anyMachine({
  id: hostile,
  initial: hostile,
  states: {
    [hostile]: {
      description: hostile,
      entry: hostile,
      on: { [hostile]: [{ guard: hostile, target: 'end' }, { actions: hostile }] },
    },
    end: {},
  },
}).provide({ guards: { [hostile]: () => true }, actions: { [hostile]: () => undefined } } as never);

test('names cannot leave the text that they are', async () => {
  const recorder = createRecorder();
  createActor(hostileMachine, { inspect: recorder.inspect })
    .start()
    .send({ type: hostile } as never);
  const svg = await chartSvg(machineChart(hostileMachine), recorder.run());
  expect(svg).toContain('&lt;script&gt;');
  expect(svg).not.toContain('<script');
  const odd = Array.from(svg).filter((character) => /[^\n\P{C}]/u.test(character));
  expect(odd).toEqual([]);
  expect(wellFormed(svg)).toBe(true);
});

test('long names are cut', async () => {
  const id = 'x'.repeat(5_000);
  const machine = setup({}).createMachine({ id: 'long', initial: id, states: { [id]: {} } });
  const svg = await chartSvg(machineChart(machine));
  expect(textsOf(svg)).toContain(`${'x'.repeat(21)}…${'x'.repeat(20)}`);
});

test.each<[string, object]>([
  ['one state without transitions', { id: 'one' }],
  [
    'parallel states with a common end',
    {
      id: 'parallel',
      initial: 'both',
      states: {
        both: {
          type: 'parallel',
          onDone: { target: 'after' },
          states: {
            left: { initial: 'a', states: { a: { on: { go: { target: 'b' } } }, b: { type: 'final' } } },
            right: { initial: 'c', states: { c: { on: { go: { target: 'd' } } }, d: { type: 'final' } } },
          },
        },
        after: {},
      },
    },
  ],
  [
    'history, and a way from inside to what is around',
    {
      id: 'memory',
      initial: 'inner',
      states: {
        inner: {
          initial: 'x',
          states: {
            x: { on: { up: { target: '#memory.inner', reenter: true }, out: { target: '#memory.outer' } } },
            y: { on: { self: { target: 'y', reenter: true } } },
            past: { type: 'history', history: 'deep', target: 'y' },
          },
        },
        outer: { on: { back: { target: 'inner.past' } } },
      },
    },
  ],
  [
    'two targets at once',
    {
      id: 'fork',
      initial: 'start',
      states: {
        start: { on: { go: { target: ['ends.a.a2', 'ends.b.b2'] } } },
        ends: {
          type: 'parallel',
          states: {
            a: { initial: 'a1', states: { a1: {}, a2: {} } },
            b: { initial: 'b1', states: { b1: {}, b2: {} } },
          },
        },
      },
    },
  ],
  [
    'states whose names are those of an object',
    {
      id: 'odd',
      initial: '__proto__x',
      states: { __proto__x: { on: { go: { target: 'constructor' } } }, constructor: {}, toString: {} },
    },
  ],
])('a machine with %s is drawn with all its states', async (_name, config) => {
  const chart: MachineChart = machineChart(anyMachine(config));
  const svg = await chartSvg(chart);
  const names = chart.root.states.map(({ name }) => name);
  expect(textsOf(svg)).toEqual(expect.arrayContaining(names));
  expect(svg).not.toContain('NaN');
  expect(svg).not.toContain('undefined');
});

test.each(['__proto__', 'constructor', 'toString'])(
  'a run through a state called %s is drawn',
  async (name) => {
    const machine = anyMachine({ id: 'odd', initial: 'a', states: { a: { on: { go: name } }, [name]: {} } });
    const recorder = createRecorder();
    createActor(machine, { inspect: recorder.inspect }).start().send({ type: 'go' });
    const chart = machineChart(machine);
    const svg = await chartSvg(chart, recorder.run());
    expect(chart.root.states.map((state) => state.name)).toEqual(['a', name]);
    expect(textsOf(svg)).toContain(name);
    expect(svg).not.toContain('class="unused"');
    expect(recorder.run().dropped.reports).toBe(0);
    expect(recorder.coverage(machine).missed).toEqual([]);
  },
);

test.each(['__proto__', 'constructor', 'toString'])(
  'a machine and a state whose id is %s have no visits before they are entered',
  async (id) => {
    const nested = { id: 'odd', initial: 'a', states: { a: {}, b: { id, on: { go: 'a' } } } };
    const recorder = createRecorder();
    createActor(anyMachine(nested), { inspect: recorder.inspect }).start();
    recorder.declare(anyMachine({ id, initial: 'a', states: { a: { on: { go: 'b' } }, b: {} } }));
    const run = recorder.run();
    const [entered = '', declared = ''] = await Promise.all(
      run.machines.map((each) => chartSvg(each.chart, run)),
    );
    expect(entered).not.toMatch(/NaN|undefined/);
    expect(declared).toContain('</svg>');
    expect(declared).not.toMatch(/NaN|undefined|class="used/);
  },
);

test('an id that looks like one of the picture is drawn as any other', async () => {
  const ids = ['odd|start', '(picture)', 'odd|start|0', 'state 0', 'edge 0', 'start of state 0'];
  const states = Object.fromEntries(
    ids.map((id, at) => [`s${at}`, { id, on: { go: `s${(at + 1) % ids.length}` } }]),
  );
  const svg = await chartSvg(machineChart(anyMachine({ id: 'odd', initial: 's0', states })));
  expect(textsOf(svg)).toEqual(expect.arrayContaining(ids.map((_, at) => `s${at}`)));
  expect(svg.match(/class="edge"/g)).toHaveLength(ids.length + 1);
});

test('transitions that are too many to follow are listed in their states', async () => {
  const names = Array.from({ length: 300 }, (_, index) => `state${index}`);
  const states = Object.fromEntries(
    names.map((name, index) => [name, { on: { next: { target: names[(index * 7 + 1) % names.length] } } }]),
  );
  const svg = await chartSvg(machineChart(anyMachine({ id: 'web', initial: 'state0', states })));
  expect(textsOf(svg)).toContain('next → state8');
  expect(svg).not.toContain('class="edge"');
});

test('a machine of long phases is laid out so that it needs little more than a page', async () => {
  const phases = ['one', 'two', 'three', 'four'];
  const phase = (name: string, next: string | undefined): object => {
    const names = Array.from({ length: 8 }, (_, index) => `${name}${index}`);
    const states = Object.fromEntries(
      names.map((each, index) => [each, { on: { next: { target: names[index + 1] ?? names[0] } } }]),
    );
    return { initial: names[0], states, on: next === undefined ? {} : { over: next } };
  };
  const states = Object.fromEntries(phases.map((name, index) => [name, phase(name, phases[index + 1])]));
  const svg = await chartSvg(machineChart(anyMachine({ id: 'long', initial: 'one', states })));
  const size = /width="(?<width>\d+)" height="(?<height>\d+)"/.exec(svg)?.groups;
  expect(Number(size?.['width'])).toBeLessThan(1_500);
  expect(Number(size?.['height'])).toBeLessThan(1_500);
});

test('a history state is drawn used when a transition was taken to it', async () => {
  const machine = createMachine({
    id: 'memory',
    initial: 'inner',
    states: {
      inner: { initial: 'x', states: { x: {}, past: { type: 'history' } }, on: { out: 'outer' } },
      outer: { on: { back: 'inner.past' } },
    },
  });
  const recorder = createRecorder();
  const memory = createActor(machine, { inspect: recorder.inspect }).start();
  memory.send({ type: 'out' });
  const look = async (): Promise<string> =>
    /<g class="(?<look>\w+)" data-state="memory.inner.past">/.exec(
      await chartSvg(machineChart(machine), recorder.run()),
    )?.groups?.['look'] ?? '';
  expect(await look()).toBe('unused');
  memory.send({ type: 'back' });
  expect(await look()).toBe('used');
});
