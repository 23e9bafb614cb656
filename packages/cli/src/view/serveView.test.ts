import { getEventListeners, once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { ConfigError, Identity, LloomBehaviour, type Inspector, type NodeState } from '@lloom/behaviour';
import { LoopbackError } from '@lloom/core/loopback';
import type { LiveActor, LiveMachines } from '@lloom/inspector';
import { afterEach, describe, expect, test } from 'vitest';
import { createNodeLive } from './nodeLive.ts';
import { serveView, type ViewConfig, type WebView } from './serveView.ts';
import type { ViewActors, ViewState } from './types.ts';

type Node = Parameters<typeof serveView>[0];
type Limits = Parameters<typeof serveView>[2];

const opened: WebView[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((view) => view.close()));
});

const figures: NodeState['metrics']['network'] = {
  ...{ connectedPeers: 2, activeRequests: 1, messagesSent: 0, messagesReceived: 0 },
  ...{ bandwidthInKbps: 0, bandwidthOutKbps: 0, bandwidthInBytesPerSecond: 0, bandwidthOutBytesPerSecond: 0 },
  ...{ bytesIn: 0, bytesOut: 0 },
};

/** A node that says what it is told to. */
class StandIn {
  readonly libp2p = Object.assign(new EventTarget(), { status: 'started' });
  pending: object[] = [];
  filling = '';
  asked = 0;
  fails = false;

  get node(): Node {
    return this as unknown as LloomBehaviour;
  }

  metrics(): typeof figures {
    return figures;
  }

  exportState(): NodeState {
    this.asked += 1;
    if (this.fails) throw new Error('secret');
    return { rpc: { pending: this.pending }, filling: this.filling } as unknown as NodeState;
  }

  stop(): void {
    this.libp2p.status = 'stopped';
    this.libp2p.dispatchEvent(new Event('stop'));
  }
}

/** What follows no machine, and says what it is told to. */
class StillLive {
  actors: LiveActor[] = [];
  version = 0;

  get live(): LiveMachines {
    return {
      ...createNodeLive(),
      machines: () => [],
      changes: (after?: number) => ({
        ...{ version: this.version, nowMs: 0, isWhole: after === undefined, gone: [], untold: 0 },
        actors: after === this.version ? [] : this.actors,
        dropped: { machines: 0, reports: 0, labels: 0 },
      }),
    };
  }
}

const quick: Limits = { beatMs: 5, beatsPerState: 2 };

const open = async (node: Node, config: Partial<ViewConfig> = {}, limits = quick): Promise<WebView> => {
  const view = await serveView(node, { live: new StillLive().live, ...config }, limits);
  opened.push(view);
  return view;
};

const at = ({ url }: WebView, path: string): string => url.replace('/?', path);

/** A reader of the event stream, which reads when it is told to. */
class Reader {
  readonly #response: IncomingMessage;
  #text = '';
  #news = Promise.withResolvers<void>();

  constructor(response: IncomingMessage) {
    this.#response = response.setEncoding('utf8');
    for (const event of ['readable', 'end', 'error', 'close'])
      response.on(event, () => {
        this.#news.resolve();
        this.#news = Promise.withResolvers();
      });
  }

  static async at(view: WebView): Promise<Reader> {
    const asked = request(at(view, '/events?')).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    return new Reader(response);
  }

  get status(): number | undefined {
    return this.#response.statusCode;
  }

  /** The next message, of that sort where one is named; `undefined` at the end. */
  async next<T>(event?: string): Promise<T | undefined> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end >= 0) {
        const message = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        const [, sort, data] = /^event: (\w+)\n(?:id: \d+\n)?data: (.*)$/.exec(message) ?? [];
        if (data !== undefined && (event === undefined || event === sort)) return JSON.parse(data) as T;
        continue;
      }
      const { promise } = this.#news;
      const part = this.#response.read() as string | null;
      if (part !== null) this.#text += part;
      else if (this.#response.readableEnded || this.#response.destroyed) return undefined;
      else await promise;
    }
  }

  leave(): void {
    this.#response.destroy();
  }
}

describe('a web view', () => {
  test('has a page that nothing else may be loaded into, at the URL alone', async () => {
    const view = await open(new StandIn().node);
    expect(view.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[0-9a-f]{64}$/);
    const page = await fetch(view.url);
    expect(page.status).toBe(200);
    expect(await page.text()).toMatch(/^<!doctype html>/i);
    const headers = Object.fromEntries(page.headers);
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'content-type': 'text/html; charset=utf-8',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    });
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['content-security-policy']).not.toMatch(/unsafe-inline|unsafe-eval|\*/);
  });

  test("is nobody else's: every path wants the token, by URL or header", async () => {
    const view = await open(new StandIn().node);
    for (const path of ['/?', '/events?', '/chart?machine=x&']) {
      const url = at(view, path);
      const bare = url.replace(/token=.*/, '');
      const authorization = `Bearer ${view.token}`;
      expect([path, (await fetch(bare)).status]).toEqual([path, 401]);
      expect([path, (await fetch(`${bare}token=${'0'.repeat(64)}`)).status]).toEqual([path, 401]);
      expect((await fetch(bare, { method: 'HEAD', headers: { authorization } })).status).not.toBe(401);
      expect((await fetch(url, { headers: { origin: 'http://evil.example' } })).status).toBe(403);
      expect((await fetch(url, { method: 'POST' })).status).toBe(405);
    }
  });

  test('tells everything at once, and then what changes', async () => {
    const [standIn, still] = [new StandIn(), new StillLive()];
    const view = await open(standIn.node, { live: still.live, role: 'executor' });
    const reader = await Reader.at(view);
    const first = await reader.next<ViewState>('state');
    expect(first).toMatchObject({ sequence: 1, role: 'executor', node: { filling: '' }, requests: [] });
    expect(await reader.next<ViewActors>('actors')).toMatchObject({ version: 0, isWhole: true });
    standIn.filling = 'news';
    for (let state = first; state?.node !== undefined; state = await reader.next<ViewState>('state'))
      if ((state.node as unknown as StandIn).filling === 'news') break;
    still.version = 1;
    expect(await reader.next<ViewActors>('actors')).toMatchObject({ version: 1, isWhole: false });
  });

  test('looks at the node once for all readers, and not at all without any', async () => {
    const standIn = new StandIn();
    const view = await open(standIn.node);
    expect(standIn.asked).toBe(0);
    const readers = [await Reader.at(view), await Reader.at(view)];
    const told = readers.map(async (reader) => {
      const sequences: number[] = [];
      while (sequences.length < 5) sequences.push((await reader.next<ViewState>('state'))!.sequence);
      return sequences;
    });
    const [one = [], other = []] = await Promise.all(told);
    // Each got a state of its own when it came.
    const ofBoth = one.filter((sequence) => other.includes(sequence));
    expect(ofBoth.length).toBeGreaterThanOrEqual(3);
  });

  test('has samples of the time before anybody looked', async () => {
    const view = await open(new StandIn().node);
    const readers = await Reader.at(view);
    for (
      let state = await readers.next<ViewState>('state');
      ;
      state = await readers.next<ViewState>('state')
    ) {
      if (state!.samples.length < 3) continue;
      expect(state!.samples.at(-1)).toMatchObject({ connectedPeers: 2, activeRequests: 1, sentPerSecond: 0 });
      break;
    }
  });

  test('lets eight pages read, and another one when one has left', async () => {
    const view = await open(new StandIn().node);
    const readers = await Promise.all(Array.from({ length: 8 }, () => Reader.at(view)));
    expect(readers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    const refused = await fetch(at(view, '/events?'));
    expect([refused.status, await refused.text()]).toEqual([503, expect.stringContaining('Too many pages')]);
    readers[0]!.leave();
    let status: number | undefined = 503;
    while (status === 503) status = (await Reader.at(view)).status;
    expect(status).toBe(200);
  });

  test('keeps nothing for a reader that does not read, and cuts it off in the end', async () => {
    const standIn = new StandIn();
    // More than the system's buffers take.
    standIn.filling = 'x'.repeat(8_000_000);
    const view = await open(standIn.node, {}, { ...quick, patienceMs: 60, maxReaders: 1 });
    await Reader.at(view);
    standIn.filling = '';
    let next = await Reader.at(view);
    while (next.status === 503) next = await Reader.at(view);
    // The other one was told nothing more, and for nobody else was the node looked at.
    expect(await next.next('state')).toMatchObject({ sequence: 2 });
  });

  test('gives no place to who asks again on a connection that is told already', async () => {
    const view = await open(new StandIn().node, {}, { ...quick, maxReaders: 2 });
    const { hostname, port } = new URL(view.url);
    const socket = connect(Number(port), hostname);
    const ask = `GET ${new URL(at(view, '/events?')).pathname}${new URL(view.url).search} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`;
    socket.write(ask.repeat(3));
    await once(socket, 'data');
    expect((await Reader.at(view)).status).toBe(200);
    socket.destroy();
  });

  test('goes on when the node cannot be told of for once', async () => {
    const standIn = new StandIn();
    const view = await open(standIn.node);
    const reader = await Reader.at(view);
    await reader.next('state');
    standIn.fails = true;
    while ((await reader.next('state')) !== undefined);
    const refused = await fetch(at(view, '/events?')).then((response) => response.text(), String);
    expect(refused).not.toContain('secret');
    standIn.fails = false;
    expect(await (await Reader.at(view)).next('state')).toBeDefined();
  });

  test('says that the node is stopped, and ends with it', async () => {
    const standIn = new StandIn();
    const view = await open(standIn.node);
    const reader = await Reader.at(view);
    await reader.next('state');
    standIn.stop();
    expect(await reader.next('stopped')).toEqual({});
    expect(await reader.next()).toBeUndefined();
    await view.close();
    await expect(fetch(view.url)).rejects.toThrow('fetch failed');
  });

  test('closes while somebody reads who takes nothing', async () => {
    const standIn = new StandIn();
    standIn.filling = 'x'.repeat(8_000_000);
    const view = await open(standIn.node);
    await Reader.at(view);
    await Promise.all([view.close(), view.close()]);
    await expect(fetch(view.url)).rejects.toThrow('fetch failed');
  });

  test('draws a machine that was seen', async () => {
    const live = createNodeLive();
    const inspect = live.inspect as Inspector;
    const node = await LloomBehaviour.create(Identity.generate(), { addressPolicy: 'loopback', inspect });
    const view = await open(node, { live });
    const drawn = await Promise.all([1, 2].map(() => fetch(at(view, '/chart?machine=node&'))));
    const texts = await Promise.all(drawn.map((answer) => answer.text()));
    expect(drawn.map(({ status }) => status)).toEqual([200, 200]);
    expect(texts[0]).toContain('data-state="node.running"');
    expect(texts[1]).toBe(texts[0]);
    expect(drawn[0]?.headers.get('content-type')).toBe('image/svg+xml');
    await node.stop({ drainMs: 0 });
  });

  test('draws no machine that was never seen', async () => {
    const view = await open(new StandIn().node);
    const chart = await fetch(at(view, '/chart?machine=%3Cscript%3E&'));
    expect(chart.status).toBe(404);
    expect(await chart.text()).not.toContain('script');
  });

  test('cannot be opened on other addresses, taken ports or stopped nodes', async () => {
    const { node } = new StandIn();
    for (const wrong of [{ host: '0.0.0.0' }, { port: 65_536 }, { token: 'short' }])
      await expect(open(node, wrong)).rejects.toSatisfy((error) => ConfigError.is(error));
    const port = Number(new URL((await open(node)).url).port);
    await expect(open(node, { port })).rejects.toSatisfy((error) => LoopbackError.is(error, 'LISTEN_FAILED'));
    const stopped = new StandIn();
    stopped.libp2p.status = 'stopped';
    await expect(open(stopped.node)).rejects.toThrow('a node that is stopped');
    const stopping = new StandIn();
    const opening = open(stopping.node);
    stopping.stop();
    await expect(opening).rejects.toThrow('a node that is stopped');
  });

  test('leaves nothing at the node when it is closed', async () => {
    const standIn = new StandIn();
    const view = await open(standIn.node);
    expect(getEventListeners(standIn.libp2p, 'stop')).toHaveLength(1);
    await view.close();
    expect(getEventListeners(standIn.libp2p, 'stop')).toEqual([]);
  });
});
