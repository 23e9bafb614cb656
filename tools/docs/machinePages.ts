// The pages of all state machines, with their pictures, and the places where other pages show them.
import { spawnSync } from 'node:child_process';
import { basename, dirname, join, relative } from 'node:path';

import type { ChartState, ChartTransition } from '@lloom/inspector';

import { slashed } from '../checks/workspace.ts';
import type { DrawnMachine } from './machineCharts.ts';
import { machinesOf, type MachineDoc } from './machines.ts';
import { paragraph } from './wrap.ts';

/** Where the pages are. */
export const machineFolder = 'docs/machines';

/** A machine, and what is drawn of it. */
interface Machine extends MachineDoc, DrawnMachine {}

/** Every file of the folder, by its path from the root. */
export function machinePages(root: string): Record<string, string> {
  const machines = drawAll(root);
  const pages = machines.flatMap((machine): [string, string][] => [
    [`${machineFolder}/${machine.id}.md`, pageOf(machine)],
    [`${machineFolder}/${machine.id}.svg`, `${machine.svg}\n`],
  ]);
  return { [`${machineFolder}/README.md`]: indexOf(machines), ...Object.fromEntries(pages) };
}

function drawAll(root: string): Machine[] {
  const docs = machinesOf(root);
  const script = join(import.meta.dirname, 'machineCharts.ts');
  const wanted = docs.map(({ id, file }) => `${id}=${join(root, file)}`);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--conditions=@lloom/source', script, ...wanted],
    { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  if (status !== 0) throw new Error(`the machines cannot be drawn: ${stderr}`);
  const drawn = JSON.parse(stdout) as DrawnMachine[];
  return docs.flatMap((doc, index) => {
    const found = drawn[index];
    return found === undefined ? [] : { ...doc, ...found };
  });
}

const generated = 'Made from the sources by `npm run check -- --write`.';

function indexOf(machines: readonly Machine[]): string {
  const rows = machines.map(({ id, packageName, about, chart }) => {
    const sizes = `${statesIn(chart.root).length} | ${transitionsIn(chart.root).length}`;
    return `| [${id}](${id}.md) | [${packageName}](../../packages/${packageName}/README.md) | ${about} | ${sizes} |`;
  });
  return `${[
    '# State machines',
    paragraph(
      'Every state machine of the project: its picture, its states and transitions, and its source for Mermaid. Each is a machine of [XState](https://stately.ai/docs), exported by `./machines` of its package.',
    ),
    ['| machine | package | what lives | states | transitions |', '|---|---|---|---:|---:|', ...rows].join(
      '\n',
    ),
    '## How to read the pictures',
    [
      '| drawn | means |',
      '|---|---|',
      '| ● → | where a state, or the machine, starts |',
      '| ○ → | a transition that is taken from anywhere inside the state that holds the circle |',
      '| a label with rules between its lines | several transitions between the same states |',
      '| double border | a final state: the machine, or the state around it, is done |',
      '| dashed border | one of several that are active at the same time |',
      '| `if x` | only when the guard `x` says yes; candidates are tried in the order of the table |',
      '| `do x`, `entry / x`, `exit / x` | the actions that run |',
      '| `invoke x` | work that goes on while the machine is in the state; `x done` and `x error` are its ends |',
      '| a row in a box | a transition to the state itself, to one around it, or to none |',
    ].join('\n'),
    paragraph(
      'What a machine really does is shown by [@lloom/inspector](../../packages/inspector/README.md): which of its transitions a test has taken, and how long it stayed where.',
    ),
    generated,
  ].join('\n\n')}\n`;
}

function pageOf(machine: Machine): string {
  const { id, packageName, file, comment, chart, mermaid } = machine;
  const states = statesIn(chart.root);
  const transitions = [chart.root, ...states].flatMap((state) =>
    state.transitions.map((transition) => transitionRow(machine, state, transition)),
  );
  const parts = [
    `# ${id}`,
    paragraph(comment),
    [
      `- A machine of [@lloom/${packageName}](../../packages/${packageName}/README.md).`,
      `- Source: [${basename(file)}](../../${file}).`,
      '- [How to read the picture](README.md#how-to-read-the-pictures), [all machines](README.md).',
      `- ${generated}`,
    ].join('\n'),
    `![${altText(machine)}](${id}.svg)`,
    '## States',
    [
      '| state | says | does | leads to |',
      '|---|---|---|---|',
      ...states.map((state) => stateRow(machine, state)),
    ].join('\n'),
    '## Transitions',
    ['| from | event | if | to | does |', '|---|---|---|---|---|', ...transitions].join('\n'),
    '## Mermaid',
    `<details><summary>The chart as source</summary>\n\n\`\`\`mermaid\n${mermaid}\`\`\`\n\n</details>`,
  ];
  return `${parts.join('\n\n')}\n`;
}

/** What a picture shows, for those who do not see it. */
function altText({ id, chart }: Machine): string {
  const [states, transitions] = [statesIn(chart.root).length, transitionsIn(chart.root).length];
  return `The machine ${id}: ${states} states, ${transitions} ${transitions === 1 ? 'transition' : 'transitions'}`;
}

/** Without the machine itself, and without what only remembers. */
function statesIn(state: ChartState): ChartState[] {
  return state.states
    .filter(({ type }) => type !== 'history')
    .flatMap((child) => [child, ...statesIn(child)]);
}

function transitionsIn(state: ChartState): ChartTransition[] {
  return [...state.transitions, ...state.states.flatMap((child) => transitionsIn(child))];
}

const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``;
const codes = (texts: readonly string[]): string => [...new Set(texts)].map(code).join(', ');

function pathOf({ chart }: Machine, id: string): string {
  const find = (state: ChartState): ChartState | undefined =>
    state.id === id ? state : state.states.map(find).find((found) => found !== undefined);
  return find(chart.root)?.path || chart.id;
}

const kinds: Readonly<Record<ChartState['type'], string>> = {
  atomic: '',
  compound: '',
  parallel: 'parallel',
  final: 'final',
  history: 'history',
};

function stateRow(machine: Machine, state: ChartState): string {
  const isStart = statesWithRoot(machine).some(
    ({ type, initial }) => type !== 'parallel' && initial.includes(state.id),
  );
  const kind = [isStart ? 'starts here' : '', kinds[state.type]].filter((text) => text !== '').join(', ');
  const says = [kind === '' ? '' : `*${kind}.*`, cell(state.description ?? '')].filter((text) => text !== '');
  const does = [
    state.entry.length === 0 ? '' : `entry ${codes(state.entry)}`,
    state.exit.length === 0 ? '' : `exit ${codes(state.exit)}`,
    state.invokes.length === 0 ? '' : `invoke ${codes(state.invokes.map(({ src }) => src))}`,
  ].filter((text) => text !== '');
  const targets = state.transitions.flatMap((transition) => transition.targets);
  const leads = codes(targets.map((id) => pathOf(machine, id)));
  return `| ${code(state.path)} | ${says.join(' ')} | ${does.join('; ')} | ${leads} |`;
}

const statesWithRoot = ({ chart }: Machine): ChartState[] => [chart.root, ...statesIn(chart.root)];

const cell = (text: string): string => text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|');

function transitionRow(machine: Machine, state: ChartState, transition: ChartTransition): string {
  const { label, guard, targets, actions } = transition;
  const from = state.path === '' ? 'anywhere' : code(state.path);
  const to = codes(targets.map((id) => pathOf(machine, id)));
  const condition = guard === undefined ? '' : code(guard);
  return `| ${from} | ${code(label)} | ${condition} | ${to} | ${codes(actions)} |`;
}

const place = /(?<=<!-- machine: (?<id>[\w-]+) -->\n)[^]*?(?=<!-- end -->)/g;

/** A page with the pictures of the machines that it names. */
export function withPictures(root: string, file: string, text: string): string {
  const up = slashed(relative(join(root, dirname(file)), join(root, machineFolder)));
  return text.replaceAll(
    place,
    (_match, id: string) => `\n[![The machine ${id}](${up}/${id}.svg)](${up}/${id}.md)\n\n`,
  );
}

/** Names of the machines whose pictures a page shows. */
export const picturesIn = (text: string): string[] =>
  [...text.matchAll(place)].map((match) => match.groups?.['id'] ?? '');
