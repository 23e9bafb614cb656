import { expect, test } from 'vitest';
import { createMachine } from 'xstate';
import { nodeMachine, runNode } from '../test/chartMachines.ts';
import { chartMermaid, machineChart } from './index.ts';

/** The source of a machine of any configuration, however odd, line by line. */
const linesOf = (config: object): string[] =>
  chartMermaid(machineChart(createMachine(config as never)))
    .split('\n')
    .map((line) => line.trim());

test('the source of a machine is the one that was looked at', async () => {
  const text = chartMermaid(machineChart(nodeMachine));
  await expect(text).toMatchFileSnapshot('../test/golden/node.mmd');
});

test('with a run transitions have counts, guards say how often they said no, and visited states a class', () => {
  const lines = chartMermaid(machineChart(nodeMachine), runNode()).split('\n');
  const ends = (end: string): boolean => lines.some((line) => line.trim().endsWith(end));
  expect(ends('stopped --> starting: node.start ×1')).toBe(true);
  expect(ends('_public: nat.result [isPublic no ×1]')).toBe(true);
  expect(ends('peer.connected / addPeer ×2')).toBe(true);
  const visited = lines.find((line) => line.trim().startsWith('class '))?.trim();
  expect(visited).toMatch(/^class stopped,starting,running,.*relayed visited$/);
  expect(visited).not.toContain('crashed');
});

test('names that mean something to Mermaid are only shown', () => {
  const states = {
    state: { on: { go: 'end' } },
    end: {},
    Note: {},
    constructor: {},
    'a b': {},
    'a-b': {},
    '…': {},
  };
  expect(linesOf({ id: 'odd', initial: 'state', states })).toEqual(
    expect.arrayContaining([
      'state "state" as s_state',
      'state "end" as s_end',
      'state "Note" as s_Note',
      'state "constructor" as s_constructor',
      'state "a b" as a_b',
      'state "a-b" as a_b_2',
      'state "…" as s_',
      's_state --> s_end: go',
    ]),
  );
});

test('no text can leave the place that it has', () => {
  const hostile = `"] }\n[*] --> x; : %% {\u202e\uD800 <script>`;
  const on = { [hostile]: { target: 'b', guard: hostile, actions: hostile } };
  const states = { a: { description: hostile, on }, b: {} };
  const lines = linesOf({ id: hostile, initial: 'a', states });
  const text = '#34;] #125; [*] --#62; x#59; #58; #37;#37; #123;#65533;#65533; #60;script#62;';
  expect(lines).toEqual([
    'stateDiagram-v2',
    'a',
    `note right of a: ${text}`,
    'b',
    '[*] --> a',
    expect.stringMatching(/^a --> b: [^:;{}"<>%\\]*(?:#\d+;[^:;{}"<>%\\]*)+$/),
    '',
  ]);
});

test('what Mermaid cannot draw as an arrow is a line of text', () => {
  const inner = {
    initial: 'c',
    states: { c: { on: { up: '#tree.b', stay: {}, again: 'c' } } },
    on: { loop: { target: '#tree.b', reenter: true } },
  };
  const lines = linesOf({ id: 'tree', initial: 'b', on: { log: { actions: 'note' } }, states: { b: inner } });
  expect(lines).toEqual(
    expect.arrayContaining([
      'b_c: up → b',
      'b_c: stay',
      'b_c --> b_c: again',
      'note right of b: loop → b',
      'note right of tree: log / note',
    ]),
  );
});

test('a machine of one state, and one that is parallel itself, stand in a box of their own', () => {
  expect(linesOf({ id: 'one' })).toEqual(['stateDiagram-v2', 'one', '']);
  expect(linesOf({ id: 'two', type: 'parallel', states: { a: {}, b: {} } })).toEqual([
    'stateDiagram-v2',
    'state two {',
    'a',
    '--',
    'b',
    '}',
    '',
  ]);
});

test('a history state of a parallel state is no region of its own, and names are cut', () => {
  const long = 'n'.repeat(300);
  const states = { past: { type: 'history' }, a: {}, b: { on: { go: 'past' } }, [long]: {} };
  expect(linesOf({ id: 'two', type: 'parallel', states })).toEqual([
    'stateDiagram-v2',
    'state two {',
    'state "H" as past',
    'a',
    '--',
    'b',
    '--',
    expect.stringMatching(/^state "n+…n+" as n{60}$/),
    '}',
    'b --> past: go',
    '',
  ]);
});
