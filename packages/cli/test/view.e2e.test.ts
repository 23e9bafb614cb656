import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { evmAddressOf, Identity, LloomBehaviour } from '@lloom/behaviour';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Running } from './support/lloom.ts';

const browserPath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find((path) => existsSync(path));

if (browserPath === undefined) {
  process.stdout.write('skipped: the web view in a browser (needs the program of the package chromium)\n');
}

/** LLOOM_SCREENSHOTS=1 makes the pictures of the documentation anew, of a network with some more nodes. */
const wantsPictures = process.env['LLOOM_SCREENSHOTS'] === '1';
const pictures = join(import.meta.dirname, '..', '..', '..', 'docs', 'view');

// So that an answer lasts longer than any test looks at it.
const pace = wantsPictures ? '150ms' : '500ms';
const model = 'demo-small';
const prices = ['--inbound-price', '1000000000', '--outbound-price', '2000000000'];

/** Asks executors again and again, three questions at a time each, until it is told to end or nobody is left to ask. */
class Load {
  readonly #identity = Identity.generate();
  #node: LloomBehaviour | undefined;
  #asking: Promise<unknown> = Promise.resolve();
  #questions = new AbortController();
  #isOver = false;

  get peerId(): string {
    return this.#identity.peerId;
  }

  async start(bootstrap: string, to: readonly string[]): Promise<void> {
    this.#node = await LloomBehaviour.create(this.#identity, {
      addressPolicy: 'loopback',
      bootstrapPeers: [bootstrap],
    });
    await this.#node.bootstrap();
    this.#asking = Promise.all(to.flatMap((peerId) => [0, 1, 2].map(() => this.#ask(peerId))));
  }

  /** Ends all questions that are under way; others follow. */
  giveUp(): void {
    const given = this.#questions;
    this.#questions = new AbortController();
    given.abort();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    this.giveUp();
    await this.#asking;
    await this.#node?.stop({ drainMs: 0 });
  }

  async #ask(peerId: string): Promise<void> {
    const prompt = 'How does a client find a model in this network?';
    while (!this.#isOver) {
      const request = await this.#identity.sign({ model, prompt }, { to: evmAddressOf(peerId)! });
      const { signal } = this.#questions;
      const { result } = this.#node!.stream(peerId, { type: 'llmRequest', request }, { signal });
      // Whoever is asked may be killed.
      const isAnswered = await result.then(
        () => true,
        () => false,
      );
      if (!isAnswered && !signal.aborted) return;
    }
  }
}

describe.skipIf(browserPath === undefined)('the web view of nodes that work', () => {
  const load = new Load();
  const running: Running[] = [];
  let [validatorUrl, executorUrl, executorId] = ['', '', ''];
  let executor: Running;
  let browser: Browser;
  /** What pages complained of, and what they asked for elsewhere. */
  const complaints: string[] = [];
  /** Whether a node is gone: browsers note each connection to it that fails. */
  let isGone = false;

  beforeAll(async () => {
    const launching = chromium.launch({
      executablePath: browserPath!,
      // Pages of our own in a container, where a browser cannot make its sandbox.
      args: ['--no-sandbox', '--disable-gpu'],
    });
    const start = (args: readonly string[]): Running => {
      const node = new Running([...args, '--json', '--quiet']);
      running.push(node);
      return node;
    };
    const validator = start(['validator', '--ui']);
    const [bootstrap = ''] = (await validator.event('ready'))['addresses'] as string[];
    const offer = ['executor', '--bootstrap', bootstrap, ...prices];
    executor = start([...offer, '--model', model, '--pace', pace, '--ui', '0']);
    const others = wantsPictures
      ? ['demo-large', 'demo-code', 'demo-small'].map((name) =>
          start([...offer, '--model', name, '--pace', pace]),
        )
      : [];
    await Promise.all([executor, ...others].map((node) => node.event('advertised')));
    executorId = String((await executor.event('ready'))['peerId']);
    const same = others.slice(2).map(async (node) => String((await node.event('ready'))['peerId']));
    validatorUrl = String((await validator.event('view'))['url']);
    executorUrl = String((await executor.event('view'))['url']);
    await load.start(bootstrap, [executorId, ...(await Promise.all(same))]);
    browser = await launching;
    if (wantsPictures) await mkdir(pictures, { recursive: true });
  });

  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    const seen = complaints.splice(0);
    if (seen.length > 0) throw new Error(`The page complained or loaded something: ${seen.join('; ')}`);
  });

  afterAll(async () => {
    await browser.close();
    await load.stop();
    await Promise.all(running.map((node) => node[Symbol.asyncDispose]()));
  });

  async function open(url: string, options: BrowserContextOptions = {}): Promise<Page> {
    // Nothing is half faded in when it is looked at.
    const still = { viewport: { width: 1_280, height: 900 }, reducedMotion: 'reduce' } as const;
    const page = await browser.newPage({ ...still, ...options });
    const { origin } = new URL(url);
    page.on('console', (message) => {
      if (!isGone || !message.text().startsWith('Failed to load resource')) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (!request.url().startsWith(`${origin}/`)) complaints.push(request.url());
    });
    await page.goto(url);
    await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
    return page;
  }

  const picture = async (page: Page, name: string): Promise<void> => {
    if (wantsPictures) await page.screenshot({ path: join(pictures, `${name}.png`) });
  };

  /** The drawn peer. */
  const node = (page: Page, peerId: string) =>
    page.locator(`#topology g.node:has(title:text("${peerId.slice(-6)}"))`);

  test('shows who is connected, and what a peer offers when it is clicked', async () => {
    const page = await open(validatorUrl);
    expect(await page.title()).toMatch(/^validator …\w{6} · Lloom$/);
    await node(page, executorId).click();
    const drawer = page.getByRole('dialog');
    await drawer.getByText(model).waitFor();
    await drawer.getByText('/ip4/127.0.0.1/tcp/').first().waitFor();
    await page.keyboard.press('Escape');
    await drawer.waitFor({ state: 'hidden' });
    await page
      .locator('#peers')
      .getByRole('button', { name: `Peer ${load.peerId}` })
      .waitFor();
  });

  test('shows a request in flight, and its machine as it moves', async () => {
    const page = await open(executorUrl, { viewport: { width: 1_440, height: 900 } });
    const request = page
      .locator('#requests li.active', { hasText: 'responding' })
      .getByRole('button', { name: /^Request / });
    await request.first().click();
    const chart = page.getByRole('dialog').getByLabel('Machine inbound');
    await chart.locator('[data-state="inbound.responding"].now').waitFor();
    await picture(page, 'request');
    expect(await chart.locator('[data-transition].hit').count()).toBe(1);
    load.giveUp();
    await chart.locator('[data-state="inbound.abandoned"].now').waitFor();
    expect(await chart.locator('[data-state="inbound.responding"].now').count()).toBe(0);
  });

  test('shows meshes, reachability and rates', async () => {
    const page = await open(executorUrl);
    await page.locator('#gossip').getByText('lloom/service-descriptors').first().waitFor();
    await page.locator('#reachability').getByText('unknown').first().waitFor();
    await page.locator('#tiles').getByText('Connected peers').waitFor();
    // Text is sent all the time.
    await page
      .locator('#tiles > *', { hasText: 'Sent' })
      .getByText(/^[1-9][\d.]* k?B\/s$/)
      .first()
      .waitFor();
    await picture(page, 'overview');
  });

  test('is pleasant in the dark, and on a phone', async () => {
    const dark = await open(executorUrl, { colorScheme: 'dark' });
    const ground = (page: Page): Promise<string> =>
      page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const night = await ground(dark);
    await picture(dark, 'overview-dark');
    await dark.getByRole('button', { name: 'Light colours' }).click();
    expect(await ground(dark)).not.toBe(night);
    const phone = await open(executorUrl, { viewport: { width: 360, height: 740 }, isMobile: true });
    await phone.locator('#peers').getByText('connected').first().waitFor();
    expect(await phone.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    await picture(phone, 'phone');
  });

  test('is used with the keyboard alone', async () => {
    const page = await open(validatorUrl);
    await page.locator('#topology g.node.executor').first().waitFor();
    await page.locator('#topology g.node[tabindex="0"]').focus();
    await page.keyboard.press('Enter');
    const drawer = page.getByRole('dialog');
    await drawer.waitFor();
    await page.keyboard.press('Escape');
    await drawer.waitFor({ state: 'hidden' });
    await page.keyboard.press('/');
    await page.keyboard.type(executorId.slice(-6));
    await page.locator('#peers').getByText('1 of ').waitFor();
  });

  test('sees a node die', async () => {
    const [page, dying] = [await open(validatorUrl), await open(executorUrl)];
    await node(page, executorId).waitFor();
    await Promise.all(
      [page, dying].map((each) => each.locator('#topology g.node:not(.this)').first().waitFor()),
    );
    isGone = true;
    await executor.stop('SIGKILL');
    // It is marked for some seconds.
    const isAlone = dying.getByRole('status').filter({ hasText: 'trying again' }).waitFor();
    await page.locator('#topology g.node.gone').waitFor();
    await picture(page, 'peer-gone');
    await page.locator('#topology g.node.gone').waitFor({ state: 'detached' });
    await isAlone;
    const peers = page.locator('#peers tr', { hasText: executorId.slice(-6) });
    expect(await peers.getByText('not connected').count()).toBe(await peers.count());
  });

  test('says that a node was stopped', async () => {
    const page = await open(validatorUrl);
    const { code } = await running[0]!.stop();
    await page.getByRole('status').filter({ hasText: 'The node has stopped' }).waitFor();
    expect(code).toBe(0);
  });
});
