import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lloom, parseLines, programs, type Ending } from './support/lloom.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lloom-cli-'));
});
afterAll(() => rm(folder, { recursive: true }));

const file = (name: string): string => join(folder, name);

/** What stdout says, which must be JSON lines and nothing else. */
const json = ({ stdout }: Ending): ReturnType<typeof parseLines> => parseLines(stdout);

describe('help', () => {
  test.each([
    [['--help'], ['validator', 'executor', 'client', 'identity', 'doctor', 'simulate', 'Exit codes']],
    [
      ['doctor', '--help'],
      ['--bootstrap', '--listen', '--network', '--data', '--timeout', '--json', 'Examples:'],
    ],
    [
      ['validator', '--help'],
      ['--stake', '--bootstrap', '--network', '--metrics', '--traces', '--log-level', 'Examples:'],
    ],
    [
      ['executor', '--help'],
      ['--model', '--inbound-price', '--backend', '--base-url', '--continuation', '--queue', 'Examples:'],
    ],
    [
      ['client', 'ask', '--help'],
      ['<prompt>', '--max-price', '--max-tokens', '--attempts', '--no-failover', 'Examples:'],
    ],
    [
      ['identity', 'new', '--help'],
      ['--file', '--encrypt', '--passphrase-file', 'Examples:'],
    ],
    [
      ['simulate', '--help'],
      ['--scenario', '--list', '--nodes', '--seeds', '--fidelity', '--report', '--trace', 'Examples:'],
    ],
    [['help', 'executor'], ['--model']],
  ])('%j', async (args, wanted) => {
    const { code, stdout, stderr } = await lloom(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const word of wanted) expect(stdout).toContain(word);
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  test('is shown when the command is missing', async () => {
    const { code, stdout, stderr } = await lloom([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^Usage: lloom/);
  });

  test('--version', async () => {
    const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    const shown = { code: 0, stdout: `${version}\n` };
    expect(await lloom(['--version'])).toMatchObject(shown);
    expect(await lloom(['--version'], { program: programs.source })).toMatchObject(shown);
  });
});

describe('a command line that cannot be understood', () => {
  const executor = ['executor', '--model', 'm', '--inbound-price', '1', '--outbound-price', '2'];
  const openai = ['--backend', 'openai', '--base-url', 'http://127.0.0.1:1/'];
  const ask = ['client', 'ask', 'Hello', '--model', 'm'];
  test.each([
    ['a misspelt command', ['valdator'], "Unknown command 'valdator'", 'Did you mean validator?'],
    ['a misspelt option', ['validator', '--stak', '1'], "Unknown option '--stak'", 'Did you mean --stake?'],
    ['a missing option', ['executor', '--model', 'm'], '--inbound-price', '--help'],
    ['a missing prompt', ['client', 'ask', '--model', 'm'], 'prompt', '--help'],
    [
      'a price with a unit',
      [...executor.slice(0, 4), '1gwei', '--outbound-price', '2'],
      'price "1gwei"',
      'wei',
    ],
    ['a capacity of nothing', [...executor, '--capacity', '0'], 'number "0"', 'from 1'],
    ['a rate limit without a time', [...executor, '--rate-limit', '60'], 'rate limit "60"', '60/1m'],
    [
      'a continuation for the wrong backend',
      [...executor, '--continuation', 'vllm'],
      '--continuation',
      '--backend openai',
    ],
    ['no attempt at all', [...ask, '--attempts', '0'], 'number "0"', 'from 1 to 100'],
    ['a time without meaning', ['validator', '--timeout', 'soon'], 'time "soon"', '30s'],
    ['an unknown network', ['validator', '--network', 'moon'], "'--network <name>'", '--help'],
    ['no bootstrap peer', ask, 'without a peer', '--bootstrap'],
    [
      'a URL for the wrong backend',
      [...executor, '--base-url', 'http://127.0.0.1:1/v1'],
      '--base-url',
      '--backend openai',
    ],
    ['a backend without a URL', [...executor, '--backend', 'openai'], 'URL', '--base-url'],
    [
      'too few upstream models',
      [...executor, '--model', 'n', ...openai, '--upstream-model', 'u'],
      '1 --upstream-model for 2 --model',
      'one --upstream-model for each',
    ],
    [
      'a key variable that is not set',
      [...executor, ...openai, '--api-key-env', 'NO_SUCH_KEY'],
      'NO_SUCH_KEY',
      'Set it',
    ],
  ])('%s', async (_, args, ...[problem, hint]) => {
    const { code, stdout, stderr } = await lloom(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    const [error, advice, ...rest] = stderr
      .split('\n')
      .filter((line) => !line.startsWith('Using a throw-away'));
    expect(error).toMatch(/^error USAGE: /);
    expect(error).toContain(problem);
    expect(advice).toMatch(/^hint: /);
    expect(advice).toContain(hint);
    expect(rest).toEqual(['']);
  });

  test.each([
    [
      '/ip4/bootstrap1.lloom.network/tcp/4001/p2p/12D3KooWH3uVF6wv47WnArKHk5ZDVmGb6CVbEDqVyemfPnCaQnQM',
      'INVALID_MULTIADDR',
      '/dns4/',
    ],
    ['127.0.0.1:4001', 'INVALID_MULTIADDR', '/ip4/'],
    ['/ip4/127.0.0.1/tcp/4001', 'MISSING_PEER_ID', '/p2p/'],
  ])('bootstrap address %s', async (address, code, wanted) => {
    const args = ['validator', '--bootstrap', address];
    const people = await lloom(args);
    expect(people).toMatchObject({ code: 2, stdout: '' });
    expect(people.stderr).toContain(`error ${code}: `);
    expect(people.stderr).toContain(wanted);
    const program = await lloom([...args, '--json']);
    expect(program).toMatchObject({ code: 2, stderr: '' });
    expect(json(program)).toMatchObject([{ error: { name: 'AddressError', code } }]);
  });

  test('is told as JSON to programs', async () => {
    const ending = await lloom(['validator', '--json', '--stak', '1']);
    expect(ending).toMatchObject({ code: 2, stderr: '' });
    expect(json(ending)).toEqual([
      {
        error: {
          name: 'CliError',
          code: 'USAGE',
          message: "Unknown option '--stak'",
          data: { problem: "Unknown option '--stak'", suggestion: 'Did you mean --stake?' },
          retryable: false,
          hint: 'Did you mean --stake?',
        },
      },
    ]);
  });
});

describe('identity', () => {
  const show = async (name: string, config = {}): Promise<Ending> =>
    lloom(['identity', 'show', '--file', file(name), '--json'], config);

  test('is written for its owner only, and shown without the key', async () => {
    const created = await lloom(['identity', 'new', '--file', file('plain.json'), '--json']);
    expect(created).toMatchObject({ code: 0, stderr: '' });
    const [{ peerId, evmAddress, encrypted } = {}] = json(created);
    expect(encrypted).toBe(false);
    expect(peerId).toMatch(/^16Uiu2/);
    expect(evmAddress).toMatch(/^0x[0-9a-fA-F]{40}$/);
    expect((await stat(file('plain.json'))).mode & 0o777).toBe(0o600);
    const shown = await show('plain.json');
    expect(json(shown)).toEqual([{ event: 'identity', file: file('plain.json'), peerId, evmAddress }]);
    const people = await lloom(['identity', 'show', '--file', file('plain.json')]);
    expect(people).toMatchObject({ code: 0, stderr: '' });
    expect(people.stdout).toContain(String(peerId));
  });

  test('goes to lloom-identity.json unless another file is named', async () => {
    expect(await lloom(['identity', 'new'], { cwd: folder })).toMatchObject({ code: 0 });
    expect(await lloom(['identity', 'show'], { cwd: folder })).toMatchObject({ code: 0 });
  });

  test('is never overwritten', async () => {
    await writeFile(file('there.json'), 'precious');
    const ending = await lloom(['identity', 'new', '--file', file('there.json')]);
    expect(ending).toMatchObject({ code: 1, stdout: '' });
    expect(ending.stderr).toMatch(/^error FILE_EXISTS: .*\nhint: .*--file/);
    expect(await readFile(file('there.json'), 'utf8')).toBe('precious');
  });

  test('is encrypted with a passphrase from the environment or from a file', async () => {
    const env = { LLOOM_PASSPHRASE: 'correct horse' };
    const created = await lloom(['identity', 'new', '--encrypt', '--file', file('secret.json')], { env });
    expect(created).toMatchObject({ code: 0, stderr: '' });
    expect(created.stdout).toContain('(encrypted)');
    await writeFile(file('passphrase'), 'correct horse\n');
    const args = ['identity', 'show', '--file', file('secret.json')];
    expect(await lloom([...args, '--passphrase-file', file('passphrase')])).toMatchObject({ code: 0 });
    expect(await lloom(args, { env })).toMatchObject({ code: 0 });
  });

  test('that is encrypted is not opened without its passphrase', async () => {
    const env = { LLOOM_PASSPHRASE: 'correct horse' };
    await lloom(['identity', 'new', '--encrypt', '--file', file('closed.json')], { env });
    for (const input of [undefined, 'correct horse\n']) {
      const ending = await show('closed.json', input === undefined ? {} : { input });
      expect(ending.code).toBe(1);
      expect(json(ending)).toMatchObject([{ error: { code: 'PASSPHRASE_NEEDED' } }]);
    }
    const wrong = await show('closed.json', { env: { LLOOM_PASSPHRASE: 'wrong' } });
    expect(json(wrong)).toMatchObject([{ error: { name: 'IdentityError', code: 'WRONG_PASSPHRASE' } }]);
  });

  test.each([
    ['missing.json', 'FILE_NOT_FOUND', 'identity new'],
    ['corrupt.json', 'FILE_CORRUPT', 'backup'],
    ['open.json', 'FILE_READABLE_BY_OTHERS', 'chmod 600'],
  ])('%s: %s', async (name, code, hint) => {
    await writeFile(file('corrupt.json'), '{"half', { mode: 0o600 });
    if (name === 'open.json') {
      await lloom(['identity', 'new', '--file', file(name)]);
      await chmod(file(name), 0o644);
    }
    const shown = await lloom(['identity', 'show', '--file', file(name)]);
    expect(shown).toMatchObject({ code: 1, stdout: '' });
    expect(shown.stderr).toMatch(new RegExp(`^error ${code}: `));
    expect(shown.stderr).toContain(hint);
    // A node does not start with it either.
    const started = await lloom(['validator', '--identity', file(name), '--json']);
    expect(started).toMatchObject({ code: 1, stderr: '' });
    expect(json(started)).toMatchObject([{ error: { code } }]);
    await rm(file(name), { force: true });
  });

  test('a passphrase file that cannot be read is told', async () => {
    const ending = await lloom([
      'identity',
      'new',
      '--encrypt',
      '--file',
      file('new.json'),
      '--passphrase-file',
      file('none'),
    ]);
    expect(ending).toMatchObject({ code: 1 });
    expect(ending.stderr).toContain('error FILE_FAILED: ');
  });
});

describe('a Node that is too old', () => {
  const asNode20 =
    'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.19.0"}})';

  test('is told before anything is loaded', async () => {
    const ending = await lloom(['validator'], { nodeArgs: ['--import', asNode20] });
    expect(ending).toMatchObject({ code: 1, stdout: '' });
    expect(ending.stderr).toMatch(
      /^error NODE_TOO_OLD: Cannot run on Node 20\.19\.0: 22 is the least\nhint: .*Node 24/,
    );
  });

  test('is told as JSON to programs', async () => {
    const ending = await lloom(['validator', '--json'], { nodeArgs: ['--import', asNode20] });
    expect(ending).toMatchObject({ code: 1, stderr: '' });
    expect(json(ending)).toMatchObject([{ error: { code: 'NODE_TOO_OLD' } }]);
  });
});
