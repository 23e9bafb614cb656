import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { root } from '../root.ts';
import { blocksOf, isShown, stepsOf } from './guides.ts';

/** As much of commander's commands as is looked at. */
interface Command {
  readonly commands: readonly Command[];
  readonly options: readonly { readonly long?: string }[];
  name(): string;
}

const program = new URL('../../packages/cli/src/program.ts', import.meta.url).href;
const { createProgram } = (await import(program)) as { createProgram: () => Command };

/** The command that a line calls, as deep as it names one. */
function commandOf(words: readonly string[], within: Command): Command {
  const [first, ...rest] = words;
  const found = within.commands.find((command) => command.name() === first);
  return found === undefined ? within : commandOf(rest, found);
}

/** Each call of `lloom` in a page, as its words. */
const callsOf = (text: string): string[][] =>
  [...text.replaceAll(/\\\n/g, ' ').matchAll(/\blloom (?<rest>[^`;|\n]+)/g)].map((match) =>
    (match.groups?.['rest'] ?? '').trim().split(/\s+/),
  );

const longOf = ({ options }: Command): string[] => options.map(({ long = '' }) => long);

/** Options that a page names and no command has; in a call of `lloom`, that this command does not have. */
function unknownOptions(text: string): string[] {
  const lloom = createProgram();
  const called = callsOf(text).flatMap((words) => {
    const known = [...longOf(commandOf(words, lloom)), '--help'];
    return words.filter((word) => word.startsWith('--') && !known.includes(word));
  });
  const all = lloom.commands.flatMap((command) => [command, ...command.commands]).flatMap(longOf);
  const named = [...text.matchAll(/`(?<option>--[\w-]+)/g)].map((match) => match.groups?.['option'] ?? '');
  return [...called, ...named.filter((option) => !all.includes(option))];
}

const guides = globSync('docs/guides/*.md', { cwd: root }).toSorted();

describe.each(guides)('%s', (guide) => {
  const text = readFileSync(join(root, guide), 'utf8');

  test('says of every block whether it is run', () => {
    expect(blocksOf(text).filter(({ act }) => act !== 'not run')).not.toEqual([]);
  });

  test('names options that the command has', () => expect(unknownOptions(text)).toEqual([]));
});

test('options that a command does not have are found, in its calls and beside them', () => {
  const call = 'lloom client ask "Hello" --model a \\\n  --capacity 2 --relay-server\n';
  expect(unknownOptions(`${call}With \`--no-such-thing\` and \`--bootstrap ADDRESS\`.`)).toEqual([
    '--capacity',
    '--relay-server',
    '--no-such-thing',
  ]);
});

describe('a guide', () => {
  test('has blocks, each with what is done with it', () => {
    const text = [
      ...['<!-- run -->', '```console', '$ a \\', '    b', 'out', '$ c', '```', ''],
      ...['<!-- run: start, with d -->', '```sh', 'd', '```', '', '```text', 'for reading', '```', ''],
      ...[
        '<!-- run: save as e.ts -->',
        '```ts',
        'e();',
        '```',
        '<!-- not run: a reason -->',
        '```sh',
        'f',
        '```',
      ],
    ].join('\n');
    const blocks = blocksOf(text);
    expect(blocks.map(({ act, detail, needs }) => [act, detail, needs])).toEqual([
      ['run', '', undefined],
      ['start', '', 'd'],
      ['save', 'e.ts', undefined],
      ['not run', 'a reason', undefined],
    ]);
    expect(stepsOf(blocks[0]!)).toEqual([
      { command: 'a \\\n    b', shown: ['out'] },
      { command: 'c', shown: [] },
    ]);
  });

  test('with a block that does not say what is done with it is none', () => {
    expect(() => blocksOf('One\n\n```sh\nls\n```')).toThrow('line 3: nothing says whether this block is run');
  });

  test('shows lines in their order, with any numbers, and anything for an ellipsis', () => {
    expect(
      isShown('noise\nready on tcp/40001  (a)\nnoise\ncost 12 wei\n', [
        'ready on tcp/4001 (a)',
        'cost … wei',
      ]),
    ).toBe(true);
    expect(isShown('cost 12 wei\nready\n', ['ready', 'cost … wei'])).toBe(false);
    expect(isShown('cost a wei', ['cost 12 wei'])).toBe(false);
  });
});
