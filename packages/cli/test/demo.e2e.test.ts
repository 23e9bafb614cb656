import { afterEach, describe, expect, test } from 'vitest';
import { programs, Running } from './support/lloom.ts';

const running: Running[] = [];
function startDemo(...args: readonly string[]): Running {
  const demo = new Running(args, { program: programs.demo });
  running.push(demo);
  return demo;
}
afterEach(() => Promise.all(running.splice(0).map((demo) => demo[Symbol.asyncDispose]())));

/** The processes that the demo said it started. */
const pidsOf = ({ stdout }: Running): number[] =>
  [...stdout.matchAll(/process (\d+)/g)].map(([, pid]) => Number(pid));

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Waits for the end of processes that are not this one's own children. */
async function gone(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await new Promise((resolve) => setImmediate(resolve));
}

/** The lines are there, in this order. */
function expectStory(stdout: string, story: readonly RegExp[]): void {
  let at = 0;
  for (const line of story) {
    const found = line.exec(stdout.slice(at));
    expect(found, `${String(line)} in\n${stdout.slice(at)}`).not.toBeNull();
    at += found?.index ?? 0;
  }
}

/** Whoever gave it, the text of the second answer is that of the first, word for word. */
function expectSameText(stdout: string): void {
  const mark = /^ {3}(?:[AB] )?\| /;
  const textOf = (step = ''): string =>
    step
      .split('\n')
      .filter((line) => mark.test(line))
      .map((line) => line.replace(mark, ''))
      .join(' ');
  const [, first, second] = stdout.split(/^[456]\. .*$/m);
  expect(textOf(first)).not.toBe('');
  expect(textOf(second)).toBe(textOf(first));
}

/** Plain lines of at most 80 columns: nothing for a terminal only. */
function expectPlain(stdout: string): void {
  expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  // oxlint-disable-next-line no-control-regex -- these are the characters in question
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
}

describe('the demo', () => {
  test('shows the whole story and leaves nothing behind', async () => {
    const demo = startDemo();
    const { code, stdout, stderr } = await demo.ended;
    expect({ code, stderr, stdout }).toEqual({ code: 0, stderr: '', stdout });

    const story = [
      /^Lloom demo$/m,
      /^1\. A validator starts/m,
      /^ {3}validator +16Uiu….{6} +process \d+$/m,
      /\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/16Uiu/,
      /^2\. Three executors join/m,
      /^3\. A client joins/m,
      /^ {3}executor B +1000000000 wei in, 2000000000 out +<- the cheapest$/m,
      /^ {3}executor A +3000000000 wei in, 6000000000 out$/m,
      /^4\. It signs a question for executor B/m,
      /^ {3}\| Offline backend: no language model runs here\./m,
      /^ {3}served by +executor B, 16Uiu….{6}$/m,
      /^ {3}signed by +0x[0-9a-fA-F]{40}, verified$/m,
      /^ {3}tokens +10 of the question, \d+ of the answer$/m,
      /^ {3}price +10 x 1000000000 \+ \d+ x 2000000000 = \d+ wei$/m,
      /^ {3}time +first token after \d+ ms, whole answer after \d+ ms$/m,
      /^5\. It asks again, and executor B is killed\. executor A goes on\.$/m,
      /^ {3}B \| Offline backend: no language model runs here\./m,
      /^ {3}--- executor B was killed: [A-Z_]+$/m,
      /^ {3}A \| /m,
      /^ {3}executor B +\d+ tokens(?:; \d+ more, unsigned, cost nothing)?$/m,
      /^ {3}signed by +0x[0-9a-fA-F]{40}, verified$/m,
      /^ {3}price +10 x 1000000000 \+ \d+ x 2000000000 = \d+ wei$/m,
      /^ {3}executor A +\d+ tokens$/m,
      /^ {3}signed by +0x[0-9a-fA-F]{40}, verified$/m,
      /^ {3}price +\d+ x 3000000000 \+ \d+ x 6000000000 = \d+ wei$/m,
      /^ {3}in all +\d+ tokens, each shown once, for \d+ wei$/m,
      /^6\. A request that was changed after it was signed is refused\.$/m,
      /RpcError +SIGNATURE_REFUSED: /,
      /^7\. A model that nobody serves/m,
      /DiscoveryError +NO_PROVIDERS: /,
      /^Every step showed what it must\. All 5 processes have ended\. \d+\.\d s$/m,
    ];
    expectStory(stdout, story);
    for (const name of ['executor A', 'executor B', 'executor C', 'client']) {
      expect(stdout).toMatch(new RegExp(`^ {3}${name} +16Uiu….{6} +process \\d+`, 'm'));
    }

    expectSameText(stdout);
    expectPlain(stdout);
    const pids = pidsOf(demo);
    expect(new Set(pids).size).toBe(5);
    expect(pids.filter(isAlive)).toEqual([]);
  });

  test('with --gateway shows an application that is served by the network, and leaves nothing behind', async () => {
    const demo = startDemo('--gateway');
    const { code, stdout, stderr } = await demo.ended;
    expect({ code, stderr, stdout }).toEqual({ code: 0, stderr: '', stdout });
    expectStory(stdout, [
      /^Lloom demo: the gateway$/m,
      /^1\. A validator starts, and three executors/m,
      /^2\. A gateway joins\./m,
      /^ {3}gateway +16Uiu….{6} +process \d+$/m,
      /^ +OPENAI_BASE_URL=http:\/\/127\.0\.0\.1:\d+\/v1$/m,
      /^3\. Any program that speaks HTTP/m,
      /^ {3}401 +The API key is missing or wrong/m,
      /^ {3}200 +demo-large, demo-small$/m,
      /^4\. An application with the `openai` package/m,
      /^ {3}\| Offline backend: no language model runs here\./m,
      /^ {3}served by +executor B, 16Uiu….{6}, the cheapest$/m,
      /^ {3}usage +10 tokens of the question, \d+ of the answer$/m,
      /^ {3}cost +\d+ wei$/m,
      /^5\. It asks again, and executor B is killed\./m,
      /^ {3}--- executor B is killed$/m,
      /^ {3}executor B +\d+ tokens, signed, for \d+ wei/m,
      /^ {3}executor A +\d+ tokens, signed, for \d+ wei$/m,
      /^6\. It asks for a model that nobody serves/m,
      /^ {3}NotFoundError +404 /m,
      /^ {3}code +model_not_found$/m,
      /^7\. It leaves in the middle of an answer/m,
      /^ {3}executor A +cancelled after \d+ tokens$/m,
      /^Every step showed what it must\. All 6 processes have ended\. \d+\.\d s$/m,
    ]);
    expectSameText(stdout);
    expectPlain(stdout);
    expect(pidsOf(demo).filter(isAlive)).toEqual([]);
  });

  test('says what it understands, and starts nothing, when it is asked for something else', async () => {
    const { code, stdout, stderr } = await startDemo('--gatway').ended;
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: '',
      stderr: "Unknown option '--gatway'\nUsage: npm run demo -- [--gateway] [--ui]\n",
    });
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('stops at %s and leaves nothing behind', async (signal, wanted) => {
    const demo = startDemo();
    await demo.until(() => (demo.stdout.includes('| Offline') ? true : undefined), 'the answer begins');
    const pids = pidsOf(demo);
    expect(pids).toHaveLength(5);
    expect(pids.every(isAlive)).toBe(true);
    const { code, stdout, stderr } = await demo.stop(signal);
    expect({ code, stderr }).toEqual({ code: wanted, stderr: '' });
    expect(stdout).toContain(`FAILED Stopped by ${signal}`);
    expect(pids.filter(isAlive)).toEqual([]);
  });

  test('takes its processes along when it is killed', async () => {
    const demo = startDemo();
    await demo.until(() => (pidsOf(demo).length >= 2 ? true : undefined), 'an executor is there');
    const pids = pidsOf(demo);
    await demo.stop('SIGKILL');
    await gone(pids);
  });
});
