import { describe, expect, test } from 'vitest';
import { Output, printable, type OutputConfig } from './output.ts';

function setUp(config: Partial<OutputConfig> & { readonly isTTY?: boolean } = {}): {
  output: Output;
  written: { stdout: string; stderr: string };
} {
  const written = { stdout: '', stderr: '' };
  const { isTTY = false, ...rest } = config;
  const stdout = { isTTY, write: (text: string) => (written.stdout += text) };
  const stderr = { isTTY, write: (text: string) => (written.stderr += text) };
  return { output: new Output({ stdout, stderr, json: false, quiet: false, ...rest }), written };
}

const error = {
  name: 'RpcError',
  code: 'REMOTE',
  message: 'It failed\u001b[2J',
  data: { remoteMessage: 'because\u001b]0;owned\u0007' },
  retryable: true,
  hint: 'Try again.',
};

describe('for people', () => {
  test('what was asked for goes to stdout, the rest to stderr', () => {
    const { output, written } = setUp();
    output.event('ready', { peerId: 'a' }, ['Ready.', 'Go on.']);
    output.note('By the way.');
    expect(written).toEqual({ stdout: 'Ready.\nGo on.\n', stderr: 'By the way.\n' });
  });

  test('the log that was asked for goes to stderr, also when all else is quiet', () => {
    const { output, written } = setUp({ quiet: true });
    output.note('By the way.');
    output.log('info lloom:rpc done\n');
    expect(written).toEqual({ stdout: '', stderr: 'info lloom:rpc done\n' });
  });

  test('an error begins on a line of its own and says what to do', () => {
    const { output, written } = setUp();
    output.text('half an');
    output.error(error);
    expect(written.stdout).toBe('half an\n');
    expect(written.stderr).toBe('error REMOTE: It failed[2J\nit said: because]0;owned\nhint: Try again.\n');
  });

  test('an error with several problems has a line for each', () => {
    const { output, written } = setUp();
    const problems = ['nodes[0]: got 0', 'load[1]:\ngot\u001b[2J 1'];
    const message = `Cannot use it: ${problems.join('; ')}`;
    output.error({ ...error, code: 'INVALID_SCENARIO', message, data: { problems }, hint: '' });
    expect(written.stderr).toBe(
      'error INVALID_SCENARIO: Cannot use it:\n  nodes[0]: got 0\n  load[1]: got[2J 1\n',
    );
  });

  test.each([
    ['a terminal', true, '\nBy the way.\n'],
    ['a pipe', false, 'By the way.\n'],
  ])('a note in the middle of a text begins a line on %s', (_, isTTY, wanted) => {
    const { output, written } = setUp({ isTTY });
    output.text('half an');
    output.note('By the way.');
    output.text(' answer\n');
    output.note('By the way.');
    expect(written).toEqual({ stdout: 'half an answer\n', stderr: `${wanted}By the way.\n` });
  });

  test('a note is one line, whatever is told in it', () => {
    const { output, written } = setUp();
    output.note('refused a\r\nanswered b\u2028c: MODEL_UNAVAILABLE');
    expect(written.stderr).toBe('refused a answered b c: MODEL_UNAVAILABLE\n');
  });

  test('how things stand is one line of a terminal, gone with whatever comes next', () => {
    const { output, written } = setUp({ isTTY: true });
    output.status('10 %');
    output.status(`20 %\n${'x'.repeat(100)}`);
    output.note('By the way.');
    output.event('ready', {}, ['Ready.']);
    const cut = `20 %\n${'x'.repeat(74)}`;
    expect(written.stderr).toBe(`\r10 %\u001b[K\r${cut}\u001b[K\r\u001b[KBy the way.\n`);
  });

  test.each([{ isTTY: false }, { isTTY: true, quiet: true }])(
    'how things stand is told to nobody who does not watch: %j',
    (config) => {
      const { output, written } = setUp(config);
      output.status('10 %');
      expect(written.stderr).toBe('');
    },
  );

  test('a line is ended once', () => {
    const { output, written } = setUp();
    output.text('answer');
    output.endLine();
    output.endLine();
    output.text('answer\n');
    output.endLine();
    expect(written.stdout).toBe('answer\nanswer\n');
  });

  test('text cannot drive a terminal, and a file gets it as it is', () => {
    const text = 'a\u001b[31mb\u009bc\rd\u202ee\n\tf';
    const terminal = setUp({ isTTY: true });
    terminal.output.text(text);
    expect(terminal.written.stdout).toBe('a[31mbcde\n\tf');
    const file = setUp();
    file.output.text(text);
    expect(file.written.stdout).toBe(text);
  });

  test('quiet leaves errors', () => {
    const { output, written } = setUp({ quiet: true });
    output.note('By the way.');
    output.error({ ...error, data: {}, hint: '' });
    expect(written.stderr).toBe('error REMOTE: It failed[2J\n');
  });
});

describe('for programs', () => {
  test('stdout has one JSON object per line, whatever is in it', () => {
    const { output, written } = setUp({ json: true });
    output.event('chunk', { text: 'a\nb\u001b' }, ['not shown']);
    output.text('not shown');
    output.endLine();
    output.error(error);
    const lines = written.stdout.split('\n');
    expect(lines.pop()).toBe('');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { event: 'chunk', text: 'a\nb\u001b' },
      { error },
    ]);
    expect(written.stderr).toBe('');
  });
});

test('printable keeps letters of every language', () => {
  expect(printable('Größe 日本語 👩‍🚀 עברית')).toBe('Größe 日本語 👩‍🚀 עברית');
});
