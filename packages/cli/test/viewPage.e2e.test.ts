import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser, type BrowserContextOptions, type Locator, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ViewStub } from './support/viewStub.ts';
import { actorsOf, hostile, peerIdOf, requestOf, stateOf } from './support/viewStates.ts';

const browserPath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find((path) => existsSync(path));

if (browserPath === undefined) {
  process.stdout.write(
    'skipped: the page of the web view in a browser (needs the program of the package chromium)\n',
  );
}

/** However busy the machine is. */
const eventually = <Value>(read: () => Promise<Value>) => expect.poll(read, { timeout: 20_000 });

describe.skipIf(browserPath === undefined)('the page of the web view in a browser', () => {
  let browser: Browser;
  let stub: ViewStub;
  /** What pages complained of, and what they asked of others than their node. */
  const complaints: string[] = [];

  beforeAll(async () => {
    stub = await ViewStub.open();
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
    await stub[Symbol.asyncDispose]();
  });

  async function open(options: BrowserContextOptions = {}): Promise<Page> {
    const page = await browser.newPage({
      viewport: { width: 1_280, height: 900 },
      reducedMotion: 'reduce',
      ...options,
    });
    // A browser says itself that nothing answers: that is what some tests are about.
    page.on('console', (message) => message.text().includes('ERR_') || complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on(
      'request',
      (request) => request.url().startsWith(stub.url.split('?')[0]!) || complaints.push(request.url()),
    );
    await page.goto(stub.url);
    await page.locator('#main').waitFor();
    return page;
  }

  const nodes = (page: Page): Locator => page.locator('#topology [role=button]');
  const row = (page: Page, index: number): Locator =>
    page.getByRole('row').filter({ has: page.getByRole('button', { name: `Peer ${peerIdOf(index)}` }) });
  const drawer = (page: Page): Locator => page.getByRole('dialog');
  const placeOf = (page: Page, index: number): Promise<string | null> =>
    nodes(page)
      .filter({ hasText: peerIdOf(index).slice(-6) })
      .getAttribute('transform');

  test('shows peers who come and go, each at its own place', async () => {
    stub.say(stateOf({ peers: [0, 1, 2] }), actorsOf(1, []));
    const page = await open();
    await eventually(() => nodes(page).count()).toBe(3);
    expect(await page.getByText('Live', { exact: true }).isVisible()).toBe(true);
    const before = await placeOf(page, 1);
    stub.say(stateOf({ peers: [1, 2, 3, 6], sequence: 2 }));
    // Who has gone is there for a moment, and said to be gone.
    await nodes(page).filter({ hasText: 'gone' }).waitFor();
    await row(page, 3).waitFor();
    expect(await row(page, 0).count()).toBe(0);
    expect(await placeOf(page, 1)).toBe(before);
    expect(await nodes(page).nth(0).getAttribute('aria-label')).toMatch(/^Peer 16Uiu…/);
    await eventually(() => page.getByLabel(/through the relay/).count()).toBe(1);
  });

  test('lists peers that are connected or went a moment ago, and others when asked to', async () => {
    stub.say(stateOf({ peers: [0, 1, 2], knownPeers: [5, 6] }), actorsOf(1, []));
    const page = await open();
    await page.getByText('3 peers, 2 not connected').waitFor();
    stub.say(stateOf({ peers: [0, 1], knownPeers: [2, 5, 6], sequence: 2 }));
    await row(page, 2).getByText('not connected').waitFor();
    await page.getByText('Connected only').click();
    await eventually(() => page.locator('#peers tbody tr').count()).toBe(5);
    await page.getByText('Connected only').click();
    stub.say(stateOf({ peers: [0, 1], knownPeers: [2, 5, 6], sequence: 60 }));
    await page.getByText('2 peers, 3 not connected').waitFor();
  });

  test('takes names for texts, whatever they are', async () => {
    const { request, actor } = requestOf(1, { method: hostile });
    const told = stateOf({ names: hostile, requests: [{ ...request, peerId: hostile }] });
    stub.say(told, actorsOf(1, [{ ...actor, labels: { [hostile]: hostile } }]));
    const page = await open();
    await page
      .getByRole('cell', { name: /<img src=x/ })
      .first()
      .waitFor();
    await page.getByRole('button', { name: 'Request request-1' }).click();
    await drawer(page).locator('svg [data-state]').first().waitFor();
    await drawer(page).getByRole('button', { name: /^Peer/ }).click();
    await drawer(page).getByText('Nothing is known of this peer').waitFor();
    await page.keyboard.press('Enter');
    await eventually(() => drawer(page).isVisible()).toBe(false);
    await nodes(page).first().click();
    await drawer(page).getByText('Offers: executor').waitFor();
    expect(await page.evaluate(() => 'wasRun' in globalThis)).toBe(false);
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.evaluate(() => document.body.innerText.includes('\u202e'))).toBe(false);
  });

  test('lights the chart of a request as its machine moves', async () => {
    const dialing = requestOf(1);
    stub.say(stateOf({ requests: [dialing.request] }), actorsOf(1, [dialing.actor]));
    const page = await open();
    await page.getByRole('button', { name: 'Request request-1' }).click();
    const lit = (name: string): Promise<string[]> =>
      drawer(page)
        .locator(`svg .${name}`)
        .evaluateAll((groups) =>
          groups.map(
            (group) => group.getAttribute('data-state') ?? group.getAttribute('data-transition') ?? '',
          ),
        );
    await eventually(() => lit('now')).toEqual(['request.dialing']);
    expect(await lit('hit')).toEqual([]);
    const receiving = requestOf(1, { state: 'receiving' });
    stub.say(stateOf({ requests: [dialing.request], sequence: 2 }), actorsOf(2, [receiving.actor], []));
    await eventually(() => lit('now')).toEqual(['request.receiving']);
    expect(await lit('hit')).toEqual(['request.dialing|session.opened|0']);
    expect(await drawer(page).getByText('session.opened').isVisible()).toBe(true);
    // What the reader closes stays closed.
    await drawer(page).getByText('Steps', { exact: true }).click();
    const over = { ...receiving.actor, status: 'done', endedMs: 900 } as const;
    stub.say(stateOf({ requests: [dialing.request], sequence: 3 }), actorsOf(3, [over], []));
    await drawer(page).getByText('done · receiving').waitFor();
    expect(await drawer(page).getByText('session.opened').isVisible()).toBe(false);
    // What the node keeps no longer is said to be so.
    stub.say(stateOf({ sequence: 4 }), actorsOf(4, [], [1]));
    await drawer(page).getByText('not kept any longer').waitFor();
    await page.keyboard.press('Escape');
    await eventually(() => drawer(page).isVisible()).toBe(false);
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('BODY');
    await page.getByRole('button', { name: 'Machine request' }).click();
    await eventually(() => lit('used')).toEqual(['request.dialing|session.opened|0']);
  });

  test('is used with the keyboard alone, and keeps the focus while the node speaks', async () => {
    stub.say(stateOf({ peers: [0, 1, 2, 3, 4, 5] }), actorsOf(1, []));
    const page = await open();
    await page.keyboard.press('/');
    await page.keyboard.type('validator');
    await eventually(() => page.locator('#peers tbody tr').count()).toBe(2);
    stub.say(stateOf({ peers: [1, 5, 9], sequence: 2 }));
    await eventually(() => page.locator('#peers tbody tr').count()).toBe(3);
    expect(await page.locator('#filter').evaluate((field) => field === document.activeElement)).toBe(true);
    await page.keyboard.press('Escape');
    expect(await page.locator('#filter').inputValue()).toBe('');
    const sort = page.getByRole('button', { name: 'Round trip' });
    await sort.focus();
    await page.keyboard.press('Enter');
    await eventually(() => page.locator('[aria-sort=ascending]').textContent()).toBe('Round trip');
    stub.say(stateOf({ peers: [0, 1, 5, 9], sequence: 3 }));
    await row(page, 0).waitFor();
    expect(await sort.evaluate((button) => button === document.activeElement)).toBe(true);
    // One stop for all peers of the picture; arrow keys go on from there.
    const stop = page.locator('#topology [role=button][tabindex="0"]');
    expect(await stop.count()).toBe(1);
    await stop.focus();
    const first = await stop.getAttribute('aria-label');
    await page.keyboard.press('ArrowRight');
    await expect
      .poll(() => page.evaluate(() => document.activeElement?.getAttribute('aria-label')))
      .not.toBe(first);
    const label = await page.evaluate(() => document.activeElement?.getAttribute('aria-label'));
    await page.keyboard.press('Enter');
    await drawer(page).waitFor();
    expect(label).toContain((await drawer(page).getByRole('heading', { level: 2 }).textContent())!);
    await page.keyboard.press('Escape');
    await expect
      .poll(() => page.evaluate(() => document.activeElement?.getAttribute('aria-label')))
      .toBe(label);
  });

  test('draws 200 of 300 peers and says so, and lists a part of them', async () => {
    stub.say(stateOf({ peers: Array.from({ length: 300 }, (_, index) => index) }), actorsOf(1, []));
    const page = await open();
    await eventually(() => nodes(page).count()).toBe(200);
    expect(await page.getByText('100 further connected peers not drawn').isVisible()).toBe(true);
    expect(await page.locator('#peers tbody tr').count()).toBe(50);
    await page.getByText('250 peers not shown').getByRole('button').click();
    await page.getByText('150 peers not shown').waitFor();
  });

  test('says that a node is silent, is back, has stopped, or was started anew', async () => {
    stub.say(stateOf(), actorsOf(1, []));
    const page = await open();
    const status = page.getByRole('status');
    await eventually(() => status.textContent()).toBe('Live');
    await page.clock.install();
    stub.crash();
    await eventually(() => status.textContent()).toMatch(/^No answer/);
    await page.locator('#standing .pill.plain').waitFor();
    await stub.restart();
    await page.clock.fastForward(3_000);
    await eventually(() => status.textContent()).toBe('Live');
    stub.stop();
    await eventually(() => status.textContent()).toBe('The node has stopped');
    await stub.restart('second');
    await page.clock.fastForward(3_000);
    await eventually(() => status.textContent()).toMatch(/^The node was started anew/);
    // Its page is left as it was, so that it can be read.
    expect(await page.locator('#peers tbody tr').count()).toBe(4);
    complaints.length = 0;
  });

  test('can be read, light or dark as the reader asks, and turns at a button', async () => {
    const { request, actor } = requestOf(1);
    stub.say(stateOf({ requests: [request] }), actorsOf(1, [actor]));
    const page = await open({ colorScheme: 'dark' });
    const ground = (): Promise<string> =>
      page.evaluate(() => getComputedStyle(document.querySelector('header')!).backgroundColor);
    expect(await ground()).toBe('rgb(21, 22, 27)');
    expect(await page.evaluate(faint)).toEqual([]);
    expect(await page.evaluate(nameless)).toEqual([]);
    await page.getByRole('button', { name: 'Light colours' }).click();
    expect(await ground()).toBe('rgb(255, 255, 255)');
    expect(await page.evaluate(faint)).toEqual([]);
    await page.reload();
    expect(await ground()).toBe('rgb(255, 255, 255)');
  });

  test('fits a screen of 360 px, with everything open', async () => {
    const { request, actor } = requestOf(1, { state: 'receiving' });
    stub.say(stateOf({ names: 'm'.repeat(300), requests: [request] }), actorsOf(1, [actor]));
    const page = await open({ viewport: { width: 360, height: 740 } });
    const width = (): Promise<number> => page.evaluate(() => document.documentElement.scrollWidth);
    await page.evaluate(() => document.querySelectorAll('details').forEach((each) => (each.open = true)));
    expect(await width()).toBe(360);
    for (const name of ['Request request-1', 'Machine request', `Peer ${peerIdOf(0)}`]) {
      await page.getByRole('button', { name }).first().click();
      await drawer(page).waitFor();
      expect([name, await width()]).toEqual([name, 360]);
      expect(await drawer(page).evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)).toBe(
        0,
      );
      await drawer(page).getByRole('button', { name: 'Close' }).click();
    }
  });
});

/** Texts whose contrast with their ground is below 4.5 to 1. Runs in the page. */
function faint(): string[] {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
  const shares = (colour: string): number[] => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((value) => value / 255);
  };
  const light = (colour: readonly number[]): number => {
    const [red, green, blue] = colour.map((share) =>
      share <= 0.040_45 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4,
    ) as [number, number, number];
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const groundOf = (element: Element | null): number[] => {
    for (let each = element; each !== null; each = each.parentElement) {
      const ground = shares(getComputedStyle(each).backgroundColor);
      if (ground[3] === 1) return ground;
    }
    return [1, 1, 1, 1];
  };
  const found: string[] = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement!;
    const text = walker.currentNode.textContent!.trim();
    if (text === '' || !element.checkVisibility() || element.closest('.spoken,script,style') !== null)
      continue;
    const isDrawn = element instanceof SVGElement;
    if (isDrawn && element.localName === 'title') continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(shares(isDrawn ? style.fill : style.color)), light(groundOf(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.push(`${text}: ${contrast.toFixed(2)}`);
  }
  return found;
}

/** Controls without a name, headings that skip a level, and ids that are there twice. Runs in the page. */
function nameless(): string[] {
  const nameOf = (control: Element): string =>
    control.getAttribute('aria-label') ??
    (control.id === '' ? null : document.querySelector(`label[for=${control.id}]`)?.textContent) ??
    control.closest('label')?.textContent ??
    control.textContent;
  const controls = [
    ...document.querySelectorAll('button,input,select,progress,[role=button],[tabindex="0"]'),
  ];
  const unnamed = controls
    .filter((control) => nameOf(control).trim() === '')
    .map(({ outerHTML }) => outerHTML);
  const levels = [...document.querySelectorAll('h1,h2,h3')].map(({ tagName }) => Number(tagName[1]));
  const skips = levels
    .filter((level, index) => level > (levels[index - 1] ?? 0) + 1)
    .map((level) => `h${level}`);
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
  return [...unnamed, ...skips, ...ids.filter((id, index) => ids.indexOf(id) !== index)];
}
