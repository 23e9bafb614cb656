import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { reportHtml } from '../src/report/html.ts';
import { emptyReport, hostileReport, partitionReport } from './reportFixture.ts';

const browserPath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find((path) => existsSync(path));

if (browserPath === undefined) {
  process.stdout.write('skipped: reports in a browser (needs the program of the package chromium)\n');
}

describe.skipIf(browserPath === undefined)('the page of a report in a browser', () => {
  let browser: Browser;
  let folder: string;
  /** What pages complained of, and what they asked for besides themselves. */
  const complaints: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lloom-report-'));
    const pages = { partition: partitionReport(), hostile: hostileReport(), empty: emptyReport };
    for (const [name, report] of Object.entries(pages)) {
      await writeFile(join(folder, `${name}.html`), reportHtml(report));
    }
    browser = await chromium.launch({
      executablePath: browserPath!,
      // Pages of our own in a container, where a browser cannot make its sandbox.
      args: ['--no-sandbox', '--disable-gpu'],
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

  async function open(name: string, options: BrowserContextOptions = {}): Promise<Page> {
    const page = await browser.newPage({ viewport: { width: 1_280, height: 900 }, ...options });
    const url = pathToFileURL(join(folder, `${name}.html`)).href;
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => request.url() === url || complaints.push(request.url()));
    await page.goto(url);
    return page;
  }

  const ground = (page: Page): Promise<string> =>
    page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const links = (page: Page): Promise<string | null> => page.locator('#network .links').getAttribute('d');
  const down = (page: Page): Promise<number> => page.locator('#network .node:not(.up)').count();

  test('is light or dark as the reader asks, and turns at a button', async () => {
    const page = await open('partition', { colorScheme: 'dark' });
    expect(await ground(page)).toBe('rgb(21, 22, 27)');
    await page.getByRole('button', { name: 'Light colours' }).click();
    expect(await ground(page)).toBe('rgb(255, 255, 255)');
    await page.getByRole('button', { name: 'Dark colours' }).click();
    expect(await ground(page)).toBe('rgb(21, 22, 27)');
    // On paper it is light.
    await page.emulateMedia({ media: 'print' });
    expect(await ground(page)).toBe('rgb(255, 255, 255)');
    await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
    await page.reload();
    expect(await ground(page)).toBe('rgb(255, 255, 255)');
  });

  test('shows other moments of the network with the keyboard, and plays them', async () => {
    const page = await open('partition');
    // From here on time stands still unless it is told to pass.
    await page.clock.install({ time: 0 });
    await page.clock.pauseAt(3_600_000);
    const slider = page.getByRole('slider', { name: 'Moment' });
    const say = page.locator('#say');
    const atEnd = await links(page);
    await slider.focus();
    await page.keyboard.press('Home');
    expect(await say.textContent()).toContain('0 s');
    expect(await links(page)).not.toBe(atEnd);
    for (let step = 0; step < 46; step += 1) await page.keyboard.press('ArrowRight');
    expect(await say.textContent()).toContain('14 of 16 nodes up');
    expect(await say.textContent()).toContain('4 crash without a goodbye');
    expect(await slider.getAttribute('aria-valuetext')).toContain('14 of 16 nodes up');
    expect(await down(page)).toBe(2);
    await page.keyboard.press('End');
    expect([await links(page), await down(page)]).toEqual([atEnd, 0]);
    await page.keyboard.press('Space');
    await page.clock.runFor(1_100);
    expect(await slider.inputValue()).toBe('4');
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.clock.runFor(1_000);
    expect(await slider.inputValue()).toBe('4');
    await page.getByRole('button', { name: 'Play' }).click();
    await page.clock.runFor(60_000);
    expect([await slider.inputValue(), await links(page)]).toEqual(['59', atEnd]);
  });

  test('tells the values of a moment under the pointer, in all pictures', async () => {
    const page = await open('partition');
    const value = page.locator('#links [data-value]');
    const plot = (await page.locator('#up .plot').boundingBox())!;
    expect(await value.textContent()).toBe('42');
    await page.locator('#up .plot').hover({ position: { x: (145 / 360) * plot.width, y: 80 } });
    expect(await value.textContent()).toBe('23');
    expect(await page.locator('#links').getAttribute('data-at')).toMatch(/^at 5\d(?:\.\d)? s$/);
    await page.mouse.move(2, 2);
    expect(await value.textContent()).toBe('42');
  });

  test('reads the same without its script', async () => {
    const page = await open('partition', { javaScriptEnabled: false });
    for (const id of [
      'up',
      'links',
      'known',
      'requests',
      'rates',
      'latency',
      'each',
      'traffic',
      'gossip-curve',
    ]) {
      const box = await page.locator(`#${id} .plot`).boundingBox();
      expect([id, box?.height]).toEqual([id, expect.closeTo(215, -2)]);
    }
    expect(await page.locator('.strip svg').count()).toBe(6);
    expect(await page.getByText('All 3 properties hold').isVisible()).toBe(true);
    expect(await page.getByRole('button').count()).toBe(0);
    expect(await page.getByRole('slider').count()).toBe(0);
    await page.getByText('16 nodes', { exact: true }).click();
    expect(await page.getByRole('row', { name: /^v1 validator oceania up/ }).isVisible()).toBe(true);
  });

  test.each(['partition', 'hostile', 'empty'])('fits a screen of 360 px: %s', async (name) => {
    const page = await open(name, { viewport: { width: 360, height: 740 } });
    await page.evaluate(() => document.querySelectorAll('details').forEach((each) => (each.open = true)));
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    expect(await page.evaluate(() => 'wasRun' in globalThis)).toBe(false);
  });
});
