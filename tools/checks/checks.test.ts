import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterAll, describe, expect, test } from 'vitest';

import { checkDocs, checkFences } from './docs.ts';
import { checkExamples } from './examples.ts';
import { checkLayers } from './layers.ts';
import { checkRooms } from './rooms.ts';
import { checkLinks, checkPlaces } from './text.ts';
import { codeLines, parse } from './workspace.ts';
import type { Check } from './workspace.ts';

type Files = Readonly<Record<string, string>>;

const trees: string[] = [];
afterAll(() => trees.forEach((root) => rmSync(root, { recursive: true, force: true })));

/** A repository that holds these files and nothing else. */
function tree(files: Files): string {
  const root = mkdtempSync(join(tmpdir(), 'lloom-checks-'));
  trees.push(root);
  for (const [path, text] of Object.entries({
    'packages/core/package.json': '{"name":"@lloom/core"}',
    ...files,
  })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

async function messagesOf(check: Check, files: Files): Promise<string[]> {
  return (await check(tree(files))).map(({ file, message }) => `${file}: ${message}`);
}

const manifest = (name: string, more: object = {}): string =>
  JSON.stringify({ name: `@lloom/${name}`, ...more });
const rpc = { 'packages/rpc/package.json': manifest('rpc') };
const inRpc = (path: string, text: string): Files => ({ ...rpc, [`packages/rpc/${path}`]: text });
const lines = (count: number): string => 'export const a = 1;\n'.repeat(count);
const sibling = "import type { Peers } from '@lloom/peers';";
const inBehaviour = (path: string, text: string): Files => ({
  'packages/behaviour/package.json': manifest('behaviour'),
  [`packages/behaviour/src/${path}`]: text,
});
const meeting = "import { peers } from '@lloom/peers';\nimport { rpc } from '@lloom/rpc';";

interface Case {
  readonly name: string;
  readonly files: Files;
  readonly says: string;
}

const layerViolations: readonly Case[] = [
  {
    name: 'a version beside the catalog',
    files: { 'packages/rpc/package.json': manifest('rpc', { dependencies: { xstate: '^5.0.0' } }) },
    says: 'xstate must be "catalog:"',
  },
  { name: "a sibling's types", files: inRpc('src/rpc.ts', sibling), says: 'rpc may not import peers' },
  {
    name: 'a sibling in a test',
    files: inRpc('test/rpc.test.ts', sibling),
    says: 'rpc may not import peers',
  },
  {
    name: 'a sibling through import()',
    files: inRpc('src/rpc.ts', "void import('@lloom/nat');"),
    says: 'rpc may not import nat',
  },
  {
    name: 'a sibling through a re-export',
    files: inRpc('src/index.ts', "export type { Gossip } from '@lloom/gossip';"),
    says: 'rpc may not import gossip',
  },
  {
    name: 'the composition',
    files: inRpc('src/rpc.ts', "import '@lloom/behaviour';"),
    says: 'rpc may not import behaviour',
  },
  {
    name: 'identity outside tests',
    files: inRpc('src/rpc.ts', "import { Identity } from '@lloom/identity';"),
    says: 'rpc may not import identity',
  },
  {
    name: 'a sibling among the dependencies',
    files: {
      'packages/rpc/package.json': manifest('rpc', { dependencies: { '@lloom/peers': 'workspace:*' } }),
    },
    says: 'rpc may not have peers among its dependencies',
  },
  {
    name: 'a sibling among the devDependencies',
    files: {
      'packages/rpc/package.json': manifest('rpc', { devDependencies: { '@lloom/nat': 'workspace:*' } }),
    },
    says: 'rpc may not have nat among its devDependencies',
  },
  {
    name: 'a package without a place',
    files: { 'packages/zoo/package.json': manifest('zoo') },
    says: 'no place',
  },
  {
    name: 'a path into another package',
    files: inRpc('src/rpc.ts', "import { a } from '../../core/src/a.ts';"),
    says: 'leaves the package',
  },
  {
    name: 'a file behind an entry point',
    files: inRpc('src/rpc.ts', "import { a } from '@lloom/core/src/a.ts';"),
    says: 'entry points',
  },
  {
    name: 'an entry point for tests outside of them',
    files: {
      'packages/cli/package.json': manifest('cli'),
      'packages/cli/src/cli.ts': "import { test } from '@lloom/inspector/vitest';",
    },
    says: '"@lloom/inspector/vitest" is for tests',
  },
  {
    name: 'an entry point that changes the process, behind its start',
    files: {
      'packages/cli/package.json': manifest('cli'),
      'packages/cli/src/cli.ts': "import '@lloom/simkit/remember-keys';",
    },
    says: '"@lloom/simkit/remember-keys" is for programs that start',
  },
  {
    name: 'siblings that meet outside the wiring',
    files: inBehaviour('surface/rpc.ts', meeting),
    says: 'peers and rpc meet here',
  },
];

const roomViolations: readonly Case[] = [
  {
    name: 'a timer in a machine',
    files: inRpc('src/machines/request.machine.ts', 'export const f = () => setTimeout(() => undefined, 1);'),
    says: 'setTimeout makes this room impure',
  },
  {
    name: 'the clock in a machine',
    files: inRpc('src/machines/request.machine.ts', 'export const at = Date.now();'),
    says: 'Date.now',
  },
  {
    name: 'chance in a helper',
    files: inRpc('src/internal/retry.ts', 'export const jitter = () => Math.random();'),
    says: 'Math.random',
  },
  {
    name: 'output in a machine',
    files: inRpc('src/machines/request.machine.ts', "console.log('x');"),
    says: 'console makes this room impure',
  },
  {
    name: 'libp2p types in a machine',
    files: inRpc('src/machines/request.machine.ts', "import type { PeerId } from '@libp2p/interface';"),
    says: '"@libp2p/interface"',
  },
  {
    name: 'an adapter in a machine',
    files: {
      ...inRpc('src/machines/request.machine.ts', "import { open } from '../adapters/libp2p.ts';"),
      'packages/rpc/src/adapters/libp2p.ts': 'export const open = 1;',
    },
    says: 'may not import adapters',
  },
  {
    name: 'libp2p in a service',
    files: inRpc('src/rpc.ts', "import { peerIdFromString } from '@libp2p/peer-id';"),
    says: 'by adapters only',
  },
  {
    name: 'an adapter in a service',
    files: inRpc('src/rpc.ts', "import { open } from './adapters/libp2p.ts';"),
    says: 'may not import adapters',
  },
  {
    name: 'node: in a service',
    files: inRpc('src/rpc.ts', "import 'node:fs';"),
    says: '"node:fs" is for adapters',
  },
  { name: 'XState in a helper', files: inRpc('src/internal/a.ts', "import 'xstate';"), says: 'XState stays' },
  {
    name: 'XState in an adapter',
    files: inRpc('src/adapters/a.ts', "import 'xstate';"),
    says: 'XState stays',
  },
  {
    name: 'a machine over budget',
    files: inRpc('src/machines/a.machine.ts', lines(201)),
    says: '200 are allowed',
  },
  { name: 'a service over budget', files: inRpc('src/rpc.ts', lines(301)), says: '300 are allowed' },
  { name: 'a file over budget', files: inRpc('src/internal/a.ts', lines(401)), says: '400 are allowed' },
  { name: 'a file in no room', files: inRpc('src/utils.ts', ''), says: 'in no room' },
  { name: 'a machine without its suffix', files: inRpc('src/machines/request.ts', ''), says: 'in no room' },
  {
    name: 'logic in the front door',
    files: inRpc('src/index.ts', 'if (globalThis) void 0;'),
    says: 'no logic',
  },
  { name: 'export *', files: inRpc('src/index.ts', "export * from './rpc.ts';"), says: 'no "export *"' },
  {
    name: 'a wide front door',
    files: inRpc(
      'src/index.ts',
      `export type { ${Array.from({ length: 50 }, (_, n) => `T${n}`).join(', ')} } from './types.ts';`,
    ),
    says: 'the front door has 50 names',
  },
  {
    name: 'XState in the declarations of the front door',
    files: {
      ...inRpc('dist/index.d.ts', "export { Rpc } from './rpc.ts';"),
      'packages/rpc/dist/rpc.d.ts': "import type { Actor } from 'xstate';",
    },
    says: 'packages/rpc/dist/rpc.d.ts: the types of the front door reach XState',
  },
];

const link = 'A [link](missing.md).';
const example = { 'packages/core/examples/a.ts': '// #region\nconst a = 1;\n// #endregion\n' };
const readme = (code: string): string =>
  `# Core\n\n<!-- example: examples/a.ts -->\n\n\`\`\`ts\n${code}\n\`\`\`\n`;

const unfilled = '# Core\n\n<!-- example: examples/a.ts -->\n';

const docViolations: readonly Case[] = [
  {
    name: 'a missing doc comment',
    files: inRpc('src/index.ts', 'export interface Rpc {}'),
    says: '"Rpc" is exported and has no doc comment',
  },
  {
    name: 'a missing doc comment behind a re-export',
    files: {
      ...inRpc('src/index.ts', "export { inner as outer } from './rpc.ts';"),
      'packages/rpc/src/rpc.ts': '/** Documented. */\nexport const other = 1;\nexport const inner = 2;',
    },
    says: '"outer" is exported and has no doc comment',
  },
  { name: 'no README', files: rpc, says: 'there is no README.md' },
  { name: 'no example', files: rpc, says: 'there is no examples/*.ts' },
  {
    name: 'code that differs from its example',
    files: { ...example, 'packages/core/README.md': readme('const a = 2;') },
    says: 'the code differs from examples/a.ts',
  },
  {
    name: 'code whose example is gone',
    files: { 'packages/core/README.md': readme('const a = 2;') },
    says: 'there is no examples/a.ts',
  },
  {
    name: 'an example without its code',
    files: { ...example, 'packages/core/README.md': `${unfilled}\nMore text.\n` },
    says: 'the code of examples/a.ts is missing',
  },
  {
    name: 'an example without its code at the end of a file',
    files: { ...example, 'packages/core/README.md': unfilled },
    says: 'the code of examples/a.ts is missing',
  },
  {
    name: 'a place that nobody filled',
    files: { 'docs/perf.md': '# Figures\n\n<!-- figures -->\n' },
    says: 'nothing fills the place of <!-- figures -->',
  },
];

describe.each([
  { kind: 'layers', check: checkLayers, cases: layerViolations },
  { kind: 'rooms', check: checkRooms, cases: roomViolations },
  { kind: 'docs', check: checkDocs, cases: docViolations },
])('the check of $kind', ({ check, cases }) => {
  test.each(cases)('finds $name', async ({ files, says }) => {
    expect(await messagesOf(check, files)).toContainEqual(expect.stringContaining(says));
  });
});

describe('what is allowed', () => {
  const machine = [
    "import { setup } from 'xstate';",
    "import { retryDelayMs } from '../internal/retry.ts';",
    "import type { Failure } from '../types.ts';",
    'export const requestMachine = setup({}).createMachine({ after: { 5: { target: retryDelayMs() } } });',
    'export type { Failure };',
  ].join('\n');

  test('a package with everything in its room', async () => {
    const files = {
      ...rpc,
      'packages/rpc/src/index.ts':
        "import { open } from './adapters/libp2p.ts';\nimport { Service } from './rpc.ts';\n" +
        '/** Makes it. */\nexport const rpc = () => () => new Service(open);',
      'packages/rpc/src/rpc.ts':
        "import { createActor } from 'xstate';\nimport type { PeerId } from '@libp2p/interface';\n" +
        "import { requestMachine } from './machines/request.machine.ts';\nexport class Service { a = createActor(requestMachine) }",
      'packages/rpc/src/adapters/libp2p.ts':
        "import { peerIdFromString } from '@libp2p/peer-id';\nexport const open = 1;",
      'packages/rpc/src/machines/index.ts': "export { requestMachine } from './request.machine.ts';",
      'packages/rpc/src/machines/request.machine.ts': machine,
      'packages/rpc/src/internal/retry.ts': 'export const retryDelayMs = () => new Date(0).getTime();',
      'packages/rpc/src/types.ts':
        "import type { Multiaddr } from '@multiformats/multiaddr';\nexport type Failure = Multiaddr;",
      'packages/rpc/test/rpc.test.ts':
        "import { Identity } from '@lloom/identity';\nimport { createLibp2p } from 'libp2p';\n" +
        "import { test } from '@lloom/inspector/vitest';",
    };
    expect(await messagesOf(checkRooms, files)).toEqual([]);
    expect(await messagesOf(checkLayers, files)).toEqual([]);
  });

  test.each(['wiring.ts', 'index.ts'])('siblings that meet in %s', async (path) => {
    expect(await messagesOf(checkLayers, inBehaviour(path, meeting))).toEqual([]);
  });

  test('siblings that meet in types only', async () => {
    const types = meeting.replaceAll('import {', 'import type {');
    expect(await messagesOf(checkLayers, inBehaviour('events.ts', types))).toEqual([]);
  });

  test('comments and blank lines beyond the budget', () => {
    const root = tree({ 'a.ts': '/**\n * Text.\n */\nexport const a = {\n  b: 1, // why\n\n};\n// end\n' });
    expect(codeLines(parse(join(root, 'a.ts')))).toBe(3);
  });
});

describe('Markdown', () => {
  test('a link that leads nowhere is found, one in code is not', async () => {
    expect(await messagesOf(checkLinks, { 'README.md': link })).toEqual([
      'README.md: "missing.md" leads nowhere',
    ]);
    expect(await messagesOf(checkLinks, { 'README.md': `\`${link}\`\n\n\`\`\`\n${link}\n\`\`\`` })).toEqual(
      [],
    );
  });

  test('a link to a missing heading is found', async () => {
    const text = '# What it is\n\n[good](#what-it-is) [bad](#gone)';
    expect(await messagesOf(checkLinks, { 'README.md': text })).toEqual([
      'README.md: "#gone": there is no such heading',
    ]);
  });

  test('writing brings the code up to date', () => {
    const root = tree({ ...example, 'packages/core/README.md': readme('const a = 2;') });
    checkFences(root, true);
    expect(readFileSync(join(root, 'packages/core/README.md'), 'utf8')).toBe(readme('const a = 1;'));
    expect(checkFences(root)).toEqual([]);
  });

  test('an example without its code gets it', () => {
    const root = tree({ ...example, 'packages/core/README.md': `${unfilled}\nMore text.\n` });
    checkFences(root, true);
    const filled = '# Core\n\n<!-- example: examples/a.ts -->\n```ts\nconst a = 1;\n```\n\nMore text.\n';
    expect(readFileSync(join(root, 'packages/core/README.md'), 'utf8')).toBe(filled);
    expect(checkFences(root)).toEqual([]);
  });

  test('an example without the name of a region is shown as a whole, without its marks', () => {
    const code =
      "import a from 'a';\n// #region one\na();\n// #endregion\n// #region two\na();\n// #endregion\n";
    const text = '# Core\n\n<!-- example: examples/a.ts -->\n\n<!-- example: examples/a.ts#two -->\n';
    const root = tree({ 'packages/core/examples/a.ts': code, 'packages/core/README.md': text });
    checkFences(root, true);
    const shown = readFileSync(join(root, 'packages/core/README.md'), 'utf8');
    expect(shown).toContain("```ts\nimport a from 'a';\na();\na();\n```");
    expect(shown).toContain('```ts\na();\n```');
  });

  test('an example in JavaScript is shown as such', () => {
    const text = '# Core\n\n<!-- example: examples/a.js -->\n';
    const root = tree({ 'packages/core/examples/a.js': 'let a;\n', 'packages/core/README.md': text });
    checkFences(root, true);
    expect(readFileSync(join(root, 'packages/core/README.md'), 'utf8')).toContain('```js\nlet a;\n```');
    writeFileSync(join(root, 'packages/core/examples/a.js'), 'let b;\n');
    expect(checkFences(root).map(({ message }) => message)).toEqual([
      'the code differs from examples/a.js: npm run check -- --write',
    ]);
    checkFences(root, true);
    expect(checkFences(root)).toEqual([]);
  });
});

describe('places', () => {
  test.each(['root', 'home', 'Users'])('a path below /%s is found', async (folder) => {
    const found = await messagesOf(checkPlaces, { 'scripts/a.sh': `cd /${folder}/me` });
    expect(found).toEqual(['scripts/a.sh: a path of one machine is named']);
  });

  test('an address on the web is no such path', async () => {
    expect(await messagesOf(checkPlaces, { 'README.md': 'https://example.org/home/me' })).toEqual([]);
  });

  test('a registry in the lockfile is found', async () => {
    const found = await messagesOf(checkPlaces, {
      'pnpm-lock.yaml': 'tarball: https://registry.example/a.tgz',
    });
    expect(found).toEqual(['pnpm-lock.yaml: a registry is named']);
  });
});

describe('examples', () => {
  test('one that fails is found, with what it said', async () => {
    const files = {
      'packages/core/examples/a.ts': "throw new Error('broken' as string);",
      'packages/core/examples/b.js': "throw new Error('broken, too');",
    };
    const messages = await messagesOf(checkExamples, files);
    expect(messages.toSorted()).toEqual([
      expect.stringMatching(/a\.ts: ended with 1[^]*broken/),
      expect.stringMatching(/b\.js: ended with 1[^]*broken, too/),
    ]);
  });

  test('one that ends well is not', async () => {
    expect(
      await messagesOf(checkExamples, { 'packages/core/examples/a.ts': 'export const a: number = 1;' }),
    ).toEqual([]);
  });
});
