// Runs Vitest itself. A run takes two seconds of a processor, so each of them shows as much as it can.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missedIn, removeFolders, runVitest, type Outcome, type TestResult } from './runVitest.ts';

afterAll(removeFolders);

const all = { thresholds: { transitions: 100 } };
const lock = 'closed door.lock → locked';
const svg = 'image/svg+xml';

const browserPath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find((path) => existsSync(path));

if (browserPath === undefined) {
  process.stdout.write("skipped: Vitest's report in a browser (needs the program of the package chromium)\n");
}

describe('pictures', { timeout: 60_000 }, () => {
  let outcome: Outcome;
  const byName = (name: string): TestResult => {
    const found = outcome.tests.find((test) => test.name === name);
    if (found === undefined) throw new Error(`No test is called "${name}"`);
    return found;
  };
  /** What its pages say in their heads. */
  const headsOf = ({ pages }: TestResult): string[] =>
    pages.map((name) => {
      const [head = ''] =
        /<header>[^]*?<\/header>/.exec(readFileSync(join(outcome.folder, name), 'utf8')) ?? [];
      return head.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ');
    });

  beforeAll(async () => {
    const files = ['outcomes', 'virtual', 'simulated', 'opens', 'locks', 'loads'];
    outcome = await runVitest({ files, wantsReport: true });
  }, 60_000);

  it.each([
    ['passes', 'passed', 'passed'],
    ['fails', 'failed', 'failed'],
    ['times out while timers are fake', 'failed', 'timed out'],
  ])('are attached to a test that %s, and its page is written', (name, state, outcomeText) => {
    const test = byName(name);
    expect(test.state).toBe(state);
    const [page, ...pictures] = test.annotations;
    expect(page?.message).toMatch(/^Machines: \S+\/machines\/\S+\.html$/);
    expect(pictures).toMatchObject([
      { message: 'chart of door', type: 'machine', contentType: svg },
      { message: 'sequence of messages', type: 'machine', contentType: svg },
    ]);
    for (const { body } of pictures) expect(body).toMatch(/^<svg [^]*<\/svg>$/);
    expect(headsOf(test)).toEqual([expect.stringMatching(new RegExp(`^ ${name} ${outcomeText} . \\d`))]);
    const index = readFileSync(join(outcome.folder, 'index.html'), 'utf8');
    const item = index.split('<li>').find((each) => each.includes(`href="${test.pages[0]}"`)) ?? '';
    expect(item.includes(`>${outcomeText}</b>`)).toBe(state === 'failed');
  });

  it('are not made of a test that uses no machine', () => {
    expect(byName('uses no machine')).toMatchObject({ state: 'passed', annotations: [], pages: [] });
  });

  it('come with their page where a test failed, which the terminal names', () => {
    const [page] = byName('fails').annotations;
    expect(page).toMatchObject({
      contentType: 'text/html',
      body: expect.stringContaining('<!doctype html>'),
    });
    expect(outcome.output).toContain(`↳ ${page?.message}`);
    expect(byName('passes').annotations[0]).not.toHaveProperty('contentType');
    expect(outcome.code).toBe(1);
  });

  it('tell the attempts of a test apart', () => {
    const test = byName('passes at the second attempt');
    expect(test.state).toBe('passed');
    expect(test.annotations.map(({ message }) => message.replace(/ \S+html$/, ''))).toEqual([
      'Machines:',
      'chart of door',
      'sequence of messages',
      'Machines:',
      'chart of door, attempt 2',
      'sequence of messages, attempt 2',
    ]);
    expect(headsOf(test)).toEqual([
      expect.stringMatching(/attempt failed . \d/),
      expect.stringMatching(/attempt passed, attempt 2 . \d/),
    ]);
  });

  it('keep to virtual time, though it has been given back when they are drawn', () => {
    for (const name of ['is open until the last entry', 'is open until the end of the test']) {
      const test = byName(name);
      expect(test.state).toBe('passed');
      const [, chart] = test.annotations;
      expect(chart?.body).toMatch(/>open<\/text><text [^>]*>150 ms</);
      expect(headsOf(test)[0]).toMatch(/ passed . 150 ms /);
    }
  });

  it('show the time of a clock that the test made, and the lanes that it asked for', () => {
    const test = byName('is open for simulated time');
    expect(test.state).toBe('passed');
    const [, chart, sequence] = test.annotations;
    expect(chart?.body).toMatch(/>open<\/text><text [^>]*>1\.1 s</);
    expect(sequence?.body).toMatch(/>1\.1 s<\/text>/);
    expect(sequence?.body).toContain('>first</text>');
    expect(headsOf(test)[0]).toMatch(/ passed . 1\.1 s /);
  });

  it('are drawn with a recorder of the file as well, each of its own test', () => {
    expect(byName('locks').annotations).toHaveLength(3);
    expect(byName('has a run of its own')).toMatchObject({ state: 'passed', annotations: [] });
  });

  it('are counted together, over all files', () => {
    const { door, loader } = missedIn(outcome);
    expect(door).toEqual([]);
    expect(loader).toContain('waiting cancel → idle');
    expect(outcome.output).toMatch(/door +100% +100%/);
    expect(outcome.output).toMatch(/Machines: \S+\/machines\/index\.html/);
  });

  it.skipIf(browserPath === undefined)("are seen in Vitest's report, which loads nothing", async () => {
    const browser = await chromium.launch({
      executablePath: browserPath!,
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    });
    try {
      for (const name of ['passes', 'fails', 'times out while timers are fake']) {
        const page = await browser.newPage();
        await page.route(/^https?:/, (route) => route.abort());
        await page.goto(`${pathToFileURL(outcome.report).href}${byName(name).link}`);
        await page.getByText(new RegExp(`^Machines: .*-${name.replaceAll(' ', '-')}-`)).waitFor();
        const download = page.locator('a[download]');
        const pictures = await picturesIn(page);
        expect(pictures).toHaveLength(2);
        for (const { width, height } of pictures) expect(Math.min(width, height)).toBeGreaterThan(100);
        expect(await download.count()).toBe(name === 'passes' ? 0 : 1);
      }
    } finally {
      await browser.close();
    }
  });
});

/** The sizes of the pictures of the test that is shown, when they have been read. */
async function picturesIn(page: Page): Promise<{ readonly width: number; readonly height: number }[]> {
  return page.locator('a[target=_blank] img').evaluateAll(async (images) => {
    const shown = images as unknown as {
      naturalWidth: number;
      naturalHeight: number;
      decode(): Promise<void>;
    }[];
    await Promise.all(shown.map((image) => image.decode()));
    return shown.map(({ naturalWidth, naturalHeight }) => ({ width: naturalWidth, height: naturalHeight }));
  });
}

describe.concurrent('coverage', { timeout: 60_000 }, () => {
  it('is counted when pictures are drawn for failed tests only', async () => {
    const outcome = await runVitest({ files: ['outcomes'], coverage: { pictures: 'failed' } });
    const counts = outcome.tests.map(({ name, annotations }) => [name, annotations.length]);
    expect(Object.fromEntries(counts)).toEqual({
      passes: 0,
      fails: 3,
      'times out while timers are fake': 3,
      'passes at the second attempt': 3,
      'uses no machine': 0,
    });
    expect(readdirSync(outcome.folder)).toHaveLength(5);
    expect(missedIn(outcome)).toEqual({ door: ['open door.close → closed'] });
  });

  it('fails the run that does not meet its demands, and says each of them', async () => {
    const exceptions = [
      { machine: 'door', transition: 'closed door.open → open', why: 'it is stuck' },
      { machine: 'door', transition: 'closed door.paint → closed', why: 'there is no paint' },
    ];
    const coverage = { ...all, exceptions, machineFiles: ['*.machine.ts'] };
    const outcome = await runVitest({ files: ['opens'], coverage });
    const { output } = outcome;
    expect(outcome.tests.every(({ state }) => state === 'passed')).toBe(true);
    expect(outcome.code).toBe(1);
    expect(output).toMatch(/door +66\.6% +50% +closed door\.lock → locked, \(2 excepted\)/);
    expect(output).toContain('50% of the transitions of "door", 100% are wanted');
    expect(missedIn(outcome)).toEqual({ door: [lock] });
    expect(output).toContain('the exception "door: closed door.open → open" was taken: it is none');
    expect(output).toContain('the exception "door: closed door.paint → closed" names no transition');
    expect(output).toContain('no test ran or declared "window" of window.machine.ts');
    expect(output).not.toContain('no test ran or declared "door"');
  });

  it('lets a run pass that meets them: over files, with exceptions, of machines that were declared', async () => {
    const exceptions = [
      { machine: 'door', transition: lock, why: 'the key is lost' },
      { machine: 'window', transition: 'shut window.open → open', why: 'it is painted shut' },
    ];
    const coverage = { ...all, exceptions, machineFiles: ['*.machine.ts'] };
    const { code, output } = await runVitest({ files: ['opens', 'declares'], coverage });
    expect(output).toMatch(/door +66\.6% +100% +\(1 excepted\)/);
    expect(output).toMatch(/window +0% +100% +\(1 excepted\)/);
    expect(code).toBe(0);
  });

  it('is not enforced for a part of the tests, and the run says so', async () => {
    const { code, output } = await runVitest({ files: ['opens', 'locks'], coverage: all, args: ['opens'] });
    expect(output).toContain('Machine coverage is not enforced: only a part of the tests ran.');
    expect(code).toBe(0);
  });
});
