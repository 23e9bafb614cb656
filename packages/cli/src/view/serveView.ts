import { ConfigError, type LloomBehaviour } from '@lloom/behaviour';
import {
  openLoopback,
  resolveLoopbackConfig,
  type LoopbackConfig,
  type LoopbackExchange,
  type LoopbackLimits,
} from '@lloom/core/loopback';
import type { LiveMachines } from '@lloom/inspector';
import { Charts } from './charts.ts';
import { Feed, type FeedLimits } from './feed.ts';
import { viewPage, viewPolicy } from './page.ts';

/** What a web view shows, and where. */
export interface ViewConfig extends LoopbackConfig {
  /** What follows the machines of the node: {@link createNodeLive}, whose `inspect` the node was given. */
  readonly live: LiveMachines;
  /** Which sort of node it is, for people. @default 'node' */
  readonly role?: string;
}

/** A web view that is open. */
export interface WebView {
  /** What a browser on this machine opens. It holds the token: whoever has it sees the node. */
  readonly url: string;
  /** What else a program may show, as `Authorization: Bearer <token>`. */
  readonly token: string;
  /** Closes it, and tells pages that are open. Harmless when it is closed. */
  readonly close: () => Promise<void>;
}

const html = 'text/html; charset=utf-8';
const svg = 'image/svg+xml';

const pageHeaders = {
  'Content-Security-Policy': viewPolicy,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'X-Frame-Options': 'DENY',
};
/** Where a chart is opened by itself. */
const chartHeaders = {
  'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
};

/**
 * Shows a node in a browser of this machine, until it is closed or the node is stopped: its peers, requests, gossip and
 * reachability, and its machines as they move. Only who has the URL sees it.
 *
 * @param limits shorter times, for tests
 * @throws {ConfigError} for a host that is not this machine alone, a port or a token that is none, or a node that is stopped
 * @throws {LoopbackError} `LISTEN_FAILED`, most often because the port is taken
 * @example
 * ```ts
 * const live = createNodeLive();
 * const node = await LloomBehaviour.create(identity, { inspect: live.inspect });
 * const { url } = await serveView(node, { live, role: 'client' });
 * ```
 */
export async function serveView(
  node: Pick<LloomBehaviour, 'exportState' | 'libp2p' | 'metrics'>,
  { live, role = 'node', ...given }: ViewConfig,
  limits: Partial<FeedLimits & LoopbackLimits> = {},
): Promise<WebView> {
  const config = resolveLoopbackConfig('view', given);
  refuseStopped(node);
  const feed = new Feed({ node, live, role }, limits);
  const charts = new Charts(live);
  try {
    const server = await openLoopback(config, {
      realm: 'view',
      isTokenInUrl: true,
      paths: {
        '/': ({ answer }) => answer({ contentType: html, body: viewPage(), headers: pageHeaders }),
        '/events': (exchange) => subscribe(feed, exchange),
        '/chart': (exchange) => give(charts, exchange),
      },
      limits,
    });
    let closed: Promise<void> | undefined;
    const end = async (): Promise<void> => {
      // A node may be shown many times in its life.
      node.libp2p.removeEventListener('stop', onStop);
      await feed.end();
      await server.close();
      charts.close();
    };
    const close = (): Promise<void> => (closed ??= end());
    const onStop = (): void => void close();
    node.libp2p.addEventListener('stop', onStop);
    // Its event is past when it has stopped meanwhile.
    if (node.libp2p.status === 'stopped') await close();
    refuseStopped(node);
    const { origin, token } = server;
    return { url: `${origin}/?token=${encodeURIComponent(token)}`, token, close };
  } catch (error) {
    await feed.end();
    throw error;
  }
}

function refuseStopped({ libp2p }: Parameters<typeof serveView>[0]): void {
  if (libp2p.status !== 'stopped') return;
  throw new ConfigError([{ path: 'view.node', got: 'a node that is stopped', wanted: 'a node that runs' }]);
}

function subscribe(feed: Feed, { deny, stream }: LoopbackExchange): void {
  if (!feed.hasRoom) return deny({ status: 503, text: 'Too many pages are open already: close one.' });
  const response = stream('text/event-stream');
  if (response === undefined) return;
  // Behind another answer on its connection it would keep a place, and be told nothing.
  if (response.socket === null) response.end();
  else feed.add(response);
}

async function give(charts: Charts, { query, answer, deny }: LoopbackExchange): Promise<void> {
  const body = await charts.of(query.get('machine') ?? '');
  if (body === undefined) return deny({ status: 404, text: 'No such machine has been seen yet.' });
  answer({ contentType: svg, body, headers: chartHeaders });
}
