import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { coveragePage, createRecorder, filterRun, runPage, type Run } from '@lloom/inspector';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NetworkSimulator } from '../src/index.ts';

/** LLOOM_SCREENSHOTS=1 makes the pictures of the documentation anew. */
const wantsPictures = process.env['LLOOM_SCREENSHOTS'] === '1';
const pictures = join(import.meta.dirname, '..', '..', '..', 'docs', 'inspector');

const browserPath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find((path) => existsSync(path));

/** A client asks executors of whom two break off, so that it asks again. */
async function simulate(): Promise<Run> {
  const recorder = createRecorder({
    lastEntries: 20_000,
    labelsOf: ({ context }) => ({
      peer: context?.['peerId'],
      request: context?.['idempotencyKey'] ?? context?.['requestId'],
    }),
  });
  const sim = new NetworkSimulator({ numNodes: 4, networkDelayMs: 50, inspect: recorder });
  try {
    sim.spawnExecutorNodes(1, { group: 'dear', pricing: { inboundPrice: '5', outboundPrice: '5' } });
    sim.spawnExecutorNodes(2, { group: 'broken', conduct: 'fails' });
    sim.spawnClientNodes(1, { group: 'client' });
    sim.load({ name: 'tea', requestsPerSecond: 1, untilMs: 4_000, answerTokens: 4 });
    await sim.runFor(8_000);
    return recorder.run();
  } finally {
    await sim.stop();
  }
}

describe.skipIf(browserPath === undefined)('the page of a simulation in a browser', () => {
  let browser: Browser;
  let folder: string;
  let run: Run;

  beforeAll(async () => {
    run = await simulate();
    folder = await mkdtemp(join(tmpdir(), 'lloom-inspected-'));
    browser = await chromium.launch({
      executablePath: browserPath!,
      // Pages of our own in a container, where a browser cannot make its sandbox.
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    });
  }, 120_000);

  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true });
  });

  async function open(html: string, options: BrowserContextOptions = {}): Promise<Page> {
    const file = join(folder, 'page.html');
    await writeFile(file, html);
    const page = await browser.newPage({ viewport: { width: 1_280, height: 720 }, ...options });
    await page.goto(pathToFileURL(file).href);
    return page;
  }

  async function keep(page: Page, name: string): Promise<void> {
    if (wantsPictures) await page.screenshot({ path: join(pictures, `${name}.png`) });
  }

  test('shows one question at every node that it came to, step by step', async () => {
    const question = filterRun(run, { labels: { request: 'tea-0' } });
    const asked = question.machines.filter(({ chart }) =>
      question.actors.some(({ shape }) => shape === chart.shape),
    );
    const html = await runPage(
      { ...question, machines: asked },
      {
        title: 'Two executors break off, a third one answers',
        subtitle: 'passed',
        laneBy: 'node',
        threadBy: 'request',
      },
    );
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await open(html, { colorScheme });
      await page.getByRole('group', { name: 'node' }).getByRole('button', { name: 'client0' }).click();
      expect(await page.locator('#found').textContent()).toMatch(/^\d of \d+ actors, \d+ steps$/);
      await page.getByRole('group', { name: 'node' }).getByRole('button', { name: 'client0' }).click();
      await page.locator('#messages [data-entry]').filter({ hasText: 'awaiting' }).last().click();
      expect(await page.locator('.machine:not([hidden]) .now').count()).toBeGreaterThan(0);
      expect(await page.locator('.machine:not([hidden]) .hit').count()).toBeGreaterThan(0);
      if (colorScheme === 'light') await keep(page, 'run');
      await page.close();
    }
    const phone = await open(html, { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2 });
    await phone.locator('#messages [data-entry]').filter({ hasText: 'awaiting' }).last().click();
    await phone.evaluate(() => scrollTo(0, 0));
    expect(await phone.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    await keep(phone, 'phone');
  });

  test('the whole of it is a page of less than a megabyte, which steps in no time', async () => {
    const html = await runPage(run, { title: 'A whole simulation', laneBy: 'node' });
    expect(html.length).toBeLessThan(1_000_000);
    const page = await open(html);
    const steps = Number(await page.locator('#slider').getAttribute('max'));
    expect(steps).toBeGreaterThan(500);
    await page.keyboard.press('Home');
    for (let step = 0; step < 20; step += 1) await page.keyboard.press('ArrowRight');
    expect(await page.locator('#position').textContent()).toMatch(/^21\//);
  });

  test('its coverage lists what no machine did', async () => {
    const used = run.machines.filter(({ states }) => Object.keys(states).length > 0);
    const page = await open(await coveragePage(used));
    expect(await page.locator('tbody tr').count()).toBe(used.length);
    await keep(page, 'coverage');
  });
});
