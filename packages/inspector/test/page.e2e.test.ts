import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type BrowserContextOptions, type Locator, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { coveragePage, runPage, type Run } from '../src/index.ts';
import { runNodes, runStation } from './stationRun.ts';

const browserPath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find((path) => existsSync(path));

if (browserPath === undefined) {
  process.stdout.write('skipped: pages in a browser (needs the program of the package chromium)\n');
}

describe.skipIf(browserPath === undefined)('the page of a run in a browser', () => {
  let browser: Browser;
  let folder: string;
  /** What pages complained of, and what they asked for besides themselves. */
  const complaints: string[] = [];
  const pages = new Set<string>();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lloom-inspector-'));
    const station = await runStation();
    const written = {
      station: await runPage(station, {
        title: 'A station › finds a relay',
        subtitle: 'passed',
        caller: 'test',
      }),
      nodes: await runPage(runNodes(), { title: 'Two nodes', subtitle: 'failed' }),
      coverage: await coveragePage([...station.machines, ...runNodes().machines]),
      gap: await runPage(withGap(station), { title: 'With a gap' }),
    };
    for (const [name, page] of Object.entries(written)) {
      await writeFile(join(folder, `${name}.html`), page);
      pages.add(urlOf(name));
    }
    browser = await chromium.launch({
      executablePath: browserPath!,
      // Pages of our own in a container, where a browser cannot make its sandbox.
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    });
  });

  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    const seen = complaints.splice(0);
    if (seen.length > 0) throw new Error(`The page complained or loaded something: ${seen.join('; ')}`);
  });

  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true });
  });

  const urlOf = (name: string): string => pathToFileURL(join(folder, `${name}.html`)).href;

  async function open(name: string, options: BrowserContextOptions = {}): Promise<Page> {
    const page = await browser.newPage({
      viewport: { width: 1_200, height: 800 },
      reducedMotion: 'reduce',
      ...options,
    });
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => pages.has(request.url()) || complaints.push(request.url()));
    await page.goto(urlOf(name));
    return page;
  }

  const position = (page: Page): Promise<string | null> => page.locator('#position').textContent();
  /** Own names of the leaves among the states that are lit. */
  const lit = (page: Page): Promise<string[]> =>
    page
      .locator('.machine:not([hidden]) [data-state].now:has(> .state)')
      .evaluateAll((parts) =>
        parts.map((part) => part.getAttribute('data-state')?.split('.').at(-1) ?? '').toSorted(),
      );
  const hits = (page: Page): Promise<string[]> =>
    page
      .locator('.machine:not([hidden]) .hit')
      .evaluateAll((parts) => parts.map((part) => part.getAttribute('data-transition') ?? ''));
  const message = (page: Page, text: string): Locator =>
    page.locator('#messages [data-entry]').filter({ hasText: text }).first();
  const widthOf = (locator: Locator): Promise<number> =>
    locator.evaluate((element) => element.getBoundingClientRect().width);
  const ground = (page: Page): Promise<string> =>
    page.evaluate(() => getComputedStyle(document.body).backgroundColor);

  test('a click on a message lights the states and the arrow, and the keyboard steps on from there', async () => {
    const page = await open('station');
    expect(await position(page)).toBe('21 steps · 30.203 s');
    expect(await lit(page)).toEqual([]);
    await message(page, 'PEER.CONNECTED').click();
    expect(await position(page)).toBe('7/21 · 11.4 ms · PEER.CONNECTED');
    expect(await lit(page)).toEqual(['idle', 'sparse', 'unknown']);
    expect(await hits(page)).toEqual(['station.running.connectivity.isolated|PEER.CONNECTED|0']);
    expect(await page.locator('#step').innerText()).toContain(
      'Took running.connectivity.isolated PEER.CONNECTED → running.connectivity.connected.last',
    );
    expect(await page.locator('#messages .now').count()).toBe(2);
    expect(await page.locator('#messages .later').count()).toBeGreaterThan(10);
    // Counts are those of this moment: what comes later has not happened yet.
    expect(await page.locator('[data-state="station.running.nat.probing"]').getAttribute('class')).toBe(
      'unused',
    );
    const refusal = page.locator('.machine .guard').filter({ hasText: 'isPublic' });
    expect(await refusal.textContent()).toBe('if isPublic');
    for (let step = 0; step < 3; step += 1) await page.keyboard.press('ArrowRight');
    expect(await position(page)).toBe('10/21 · 17.4 ms · always');
    expect(await lit(page)).toEqual(['idle', 'meshed', 'unknown']);
    await page.keyboard.press('ArrowLeft');
    expect(await lit(page)).toEqual(['idle', 'sparse', 'unknown']);
    await page.keyboard.press('Home');
    expect([await position(page), await lit(page)]).toEqual(['1/21 · 0 ms · starts', ['stopped']]);
    await page.keyboard.press('End');
    expect([await position(page), await lit(page)]).toEqual(['21 steps · 30.203 s', []]);
    expect(await refusal.textContent()).toBe('if isPublic (no ×1)');
    // A click on an arrow leads to the moment when it was taken.
    await page.locator('[data-transition$="seekingRelay|RELAY.FOUND|0"] text').first().click();
    expect(await position(page)).toContain('RELAY.FOUND');
    expect(await lit(page)).toContain('relayed');
  });

  test('plays at the speed that was chosen, pauses, and stops at the end', async () => {
    const page = await open('station');
    await page.clock.install({ time: 0 });
    await page.clock.pauseAt(3_600_000);
    await page.getByRole('combobox', { name: 'speed' }).selectOption('2');
    await page.keyboard.press('Space');
    expect(await position(page)).toMatch(/^1\/21/);
    await page.clock.runFor(1_200);
    expect(await position(page)).toMatch(/^4\/21/);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.clock.runFor(5_000);
    expect(await position(page)).toMatch(/^4\/21/);
    await page.getByRole('button', { name: 'Play' }).click();
    await page.clock.runFor(60_000);
    expect(await position(page)).toBe('21/21 · 30.203 s · CLOSED');
    expect(await lit(page)).toEqual(['stopped']);
    expect(await page.getByRole('button', { name: 'Play' }).isVisible()).toBe(true);
    const slider = page.getByRole('slider', { name: 'Step' });
    expect(await slider.getAttribute('aria-valuetext')).toBe('21/21 · 30.203 s · CLOSED');
    await slider.press('ArrowLeft');
    expect(await position(page)).toMatch(/^20\/21/);
  });

  test('what was never taken leads to its place in the chart, which can be zoomed', async () => {
    const page = await open('station');
    await page.locator('.coverage summary').click();
    await page.getByRole('button', { name: 'running FATAL → crashed' }).click();
    expect(await page.locator('[data-transition="station.running|FATAL|0"].flash').count()).toBe(1);
    await page.locator('.coverage summary').click();
    const chart = page.locator('.machine .view svg');
    const fitted = await widthOf(chart);
    await page.getByRole('button', { name: 'Zoom in' }).click();
    expect(await widthOf(chart)).toBeCloseTo(fitted * 1.25, 0);
    await page.keyboard.press('+');
    await page.keyboard.press('-');
    await page.keyboard.press('0');
    expect(await widthOf(chart)).toBeCloseTo(fitted, 0);
    await page.locator('.machine .view').hover();
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -400);
    await page.keyboard.up('Control');
    await expect.poll(() => widthOf(chart)).toBeGreaterThan(fitted * 2);
    await chart.dblclick({ position: { x: 300, y: 300 } });
    expect(await widthOf(chart)).toBeCloseTo(fitted, 0);
  });

  test('shows the actors that match a text or a chip, and steps through what they did', async () => {
    const page = await open('nodes');
    await page.keyboard.press('/');
    await page.keyboard.type('request-2');
    expect(await page.locator('#found').textContent()).toBe('1 of 4 actors, 4 steps');
    expect(await page.locator('#messages .out').count()).toBeGreaterThan(0);
    await page.keyboard.press('Escape');
    expect(await page.locator('#messages .out').count()).toBe(0);
    await page.getByRole('button', { name: 'bob' }).click();
    expect(await page.locator('#found').textContent()).toBe('2 of 4 actors, 6 steps');
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
    const actor = page.getByRole('combobox', { name: 'actor' });
    expect(await actor.locator('option').allTextContents()).toEqual([
      'request-3 · bob · peer-2',
      'request-4 · bob · peer-3',
    ]);
    await page.keyboard.press('j');
    expect(await actor.locator('option:checked').textContent()).toContain('request-4');
  });

  test('is light or dark as the reader asks, and turns at a button', async () => {
    const page = await open('station', { colorScheme: 'dark' });
    expect(await ground(page)).toBe('rgb(21, 22, 27)');
    const theme = page.getByRole('button', { name: 'Theme: system' });
    await theme.click();
    expect(await ground(page)).toBe('rgb(255, 255, 255)');
    expect(await page.locator('.machine .view .ground').evaluate((part) => getComputedStyle(part).fill)).toBe(
      'rgb(255, 255, 255)',
    );
    await page.getByRole('button', { name: 'Theme: light' }).click();
    expect(await ground(page)).toBe('rgb(21, 22, 27)');
    await page.keyboard.press('?');
    expect(await page.getByRole('dialog', { name: 'Keys' }).isVisible()).toBe(true);
    await page.keyboard.press('Escape');
    expect(await page.getByRole('dialog', { name: 'Keys' }).isVisible()).toBe(false);
  });

  test('says where entries are missing, and lights no state that may have been left meanwhile', async () => {
    const page = await open('gap');
    expect(await page.locator('header').innerText()).toContain('22 entries in the middle not kept');
    await message(page, 'FIND').click();
    expect(await page.locator('#step').innerText()).toContain('22 entries before this');
    expect(await lit(page)).toEqual(['querying']);
  });

  test('reads the same without its script', async () => {
    const page = await open('nodes', { javaScriptEnabled: false });
    expect(await page.locator('svg.lm').count()).toBe(2);
    for (const picture of await page.locator('svg.lm').all()) expect(await picture.isVisible()).toBe(true);
    await page.locator('.coverage summary').click();
    expect(await page.getByText('free gate.push [isBroken] → free').isVisible()).toBe(true);
    expect(await page.getByRole('button').count()).toBe(0);
  });

  test('prints the whole run, light, and without its controls', async () => {
    const page = await open('station', { colorScheme: 'dark' });
    await page.keyboard.press('Home');
    await page.emulateMedia({ media: 'print' });
    await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
    expect(await page.getByRole('button').count()).toBe(0);
    expect(await page.locator('.later').count()).toBe(0);
    expect(await ground(page)).toBe('rgb(255, 255, 255)');
    await page.emulateMedia({ media: 'screen' });
    await page.evaluate(() => dispatchEvent(new Event('afterprint')));
    expect(await page.locator('.later').count()).toBeGreaterThan(10);
    expect(await ground(page)).toBe('rgb(21, 22, 27)');
  });

  test('fits a screen of 360 px', async () => {
    const page = await open('station', { viewport: { width: 360, height: 740 } });
    for (const name of ['station', 'nodes', 'coverage']) {
      await page.goto(urlOf(name));
      await page.evaluate(() => document.querySelectorAll('details').forEach((each) => (each.open = true)));
      expect([name, await page.evaluate(() => document.documentElement.scrollWidth)]).toEqual([name, 360]);
      await page.getByRole('button', { name: /^fit/ }).first().click();
      const isFitted = await page
        .locator('.machine:not([hidden]) .view')
        .first()
        .evaluate((view) => view.scrollWidth <= view.clientWidth);
      expect([name, isFitted]).toEqual([name, true]);
    }
  });

  test('coverage finds machines by what they never did, and shows where that is', async () => {
    const page = await open('coverage');
    const charts = page.locator('.machine:not([hidden])');
    expect(await charts.count()).toBe(2);
    await page.getByRole('searchbox', { name: 'Find machines' }).fill('push');
    expect(await charts.count()).toBe(1);
    expect(await page.locator('#found').textContent()).toBe('1 of 2 machines');
    await page.getByRole('button', { name: 'free gate.push [isBroken] → free' }).click();
    expect(await page.locator('.flash[data-transition="gate.free|gate.push|0"]').count()).toBe(1);
  });
});

/** As a recorder with small bounds keeps it. */
function withGap(run: Run): Run {
  const entries = run.entries.filter(({ sequence }) => sequence < 4 || sequence >= 26);
  return { ...run, entries, dropped: { ...run.dropped, entries: 22 } };
}
