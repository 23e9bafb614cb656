import { ConfigError, type LloomBehaviour } from '@lloom/behaviour';
import { RecentMap, systemClock } from '@lloom/core';
import { openLoopback, type LoopbackExchange, type LoopbackLimits } from '@lloom/core/loopback';
import { Catalog } from './catalog.ts';
import { ChatTask, type AskingNode, type ChatTaskPorts } from './chatTask.ts';
import { resolveGatewayConfig, type GatewayConfig, type ResolvedGatewayConfig } from './config.ts';
import { GatewayError } from './errors.ts';
import { KeptAnswers } from './keptAnswers.ts';
import { denialContent, failureContent, failureOf } from './failures.ts';

/** What of a node a gateway uses. */
export type GatewayNode = AskingNode & Pick<LloomBehaviour, 'addEventListener' | 'discoverExecutors'>;

/** A gateway that is open. */
export interface Gateway {
  /** What programs call the base URL: `http://127.0.0.1:8787/v1`. */
  readonly url: string;
  /** What they must show, as `Authorization: Bearer <key>`. */
  readonly apiKey: string;
  /**
   * Takes no new requests, lets those under way end for `drainMs` (default 0), and closes. Harmless when it is closed; whoever calls
   * it again waits for the same.
   */
  readonly close: (config?: { readonly drainMs?: number }) => Promise<void>;
}

const gatewayLimits: LoopbackLimits = {
  // Large bodies come over slow ways where a gateway is opened to others.
  requestMs: 30_000,
  answerMs: 30_000,
  idleMs: 75_000,
  maxConnections: 1_024,
  maxBodiesBytes: 64 * 1_024 * 1_024,
};

/** Names of models have slashes, and are sent encoded or not. */
const modelsPath = '/v1/models/';
const maxKeys = 1_024;
/** How long callers may take to read why their requests have ended. */
const lastWordMs = 500;

/**
 * Serves the API of OpenAI over the network, until it is closed or the node is stopped: `/v1/chat/completions`, `/v1/models` and
 * `/health`. A request goes to the provider that suits best by the policy, and on to others when that fails, also in the midst of
 * its answer; it is cancelled there when the caller leaves. The node needs no more than to have joined.
 *
 * @param limits other times and fewer connections, for tests
 * @throws {ConfigError} for a field that cannot be used, or a node that is stopped
 * @throws {LoopbackError} `LISTEN_FAILED`, most often because the port is taken
 * @example
 * ```ts
 * const node = await LloomBehaviour.create(identity, { bootstrapPeers, listenAddresses: [] });
 * await node.bootstrap();
 * const { url, apiKey, close } = await serveGateway(node, { identity, port: 8787 });
 * ```
 */
export async function serveGateway(
  node: GatewayNode,
  given: GatewayConfig,
  limits: Partial<LoopbackLimits> = {},
): Promise<Gateway> {
  const config = resolveGatewayConfig(given);
  refuseStopped(node);
  const service = new Service(node, config);
  const { maxBodyBytes } = config;
  const server = await openLoopback(config.server, {
    realm: 'gateway',
    denialContent,
    limits: { ...gatewayLimits, ...limits },
    paths: {
      '/v1/chat/completions': { method: 'POST', maxBodyBytes, isPatient: true, serve: service.chat },
      '/v1/models': { serve: service.models, isPatient: true },
      [`${modelsPath}*`]: { serve: service.model, isPatient: true },
      '/health': { serve: service.health, isOpen: true, isPatient: true },
    },
  });
  const url = `${server.origin}/v1`;
  let closed: Promise<void> | undefined;
  const end = async (drainMs: number): Promise<void> => {
    await service.stop(url, drainMs);
    node.libp2p.removeEventListener('stop', onStop);
    await server.close();
    service.end();
  };
  const close: Gateway['close'] = ({ drainMs = 0 } = {}) => (closed ??= end(drainMs));
  const onStop = (): void => void close();
  node.libp2p.addEventListener('stop', onStop);
  // Its event is past when it has stopped meanwhile.
  if (node.libp2p.status === 'stopped') await close();
  refuseStopped(node);
  return { url, apiKey: server.token, close };
}

function refuseStopped({ libp2p }: GatewayNode): void {
  if (libp2p.status !== 'stopped') return;
  throw new ConfigError([
    { path: 'gateway.node', got: 'a node that is stopped', wanted: 'a node that runs' },
  ]);
}

/** What stands behind the paths. */
class Service {
  readonly #node: GatewayNode;
  readonly #config: ResolvedGatewayConfig;
  readonly #catalog: Catalog;
  readonly #askedByKey = new RecentMap<string>(maxKeys);
  readonly #answers = new KeptAnswers();
  readonly #retries: ChatTaskPorts['retries'] = new Map();
  readonly #underWay = new Map<ChatTask, Promise<void>>();
  readonly #ended = new AbortController();
  #stoppingAt: string | undefined;

  constructor(node: GatewayNode, config: ResolvedGatewayConfig) {
    this.#node = node;
    this.#config = config;
    this.#catalog = new Catalog(node, config.searchTimeoutMs);
    node.addEventListener('request:retrying', ({ detail }) => this.#retries.get(detail.requestId)?.(detail), {
      signal: this.#ended.signal,
    });
  }

  /** Tells nobody of retries any more. */
  end(): void {
    this.#ended.abort();
  }

  /** Refuses what comes from now on, and ends what is under way when the time is over. */
  async stop(url: string, drainMs: number): Promise<void> {
    this.#stoppingAt = url;
    this.#catalog.close();
    if (drainMs > 0) await this.#allOver(drainMs);
    for (const task of this.#underWay.keys()) task.giveUp(this.#stopping);
    await this.#allOver(lastWordMs);
  }

  /** Resolves when nothing is under way any more, or the time is over. */
  async #allOver(limitMs: number): Promise<void> {
    if (this.#underWay.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limitMs);
    await Promise.race([Promise.all(this.#underWay.values()), promise]);
    clearTimeout(timer);
  }

  readonly chat = async (exchange: LoopbackExchange): Promise<void> => {
    const task = new ChatTask(
      {
        ...{ node: this.#node, config: this.#config },
        ...{ askedByKey: this.#askedByKey, answers: this.#answers, retries: this.#retries },
      },
      exchange,
    );
    const { maxRequests: limit } = this.#config;
    if (this.#stoppingAt !== undefined) return task.refuse(this.#stopping);
    if (this.#underWay.size >= limit) return task.refuse(new GatewayError('TOO_MANY_REQUESTS', { limit }));
    const run = task.run();
    this.#underWay.set(task, run);
    await run.finally(() => this.#underWay.delete(task));
  };

  readonly models = (exchange: LoopbackExchange): Promise<void> =>
    this.#answer(exchange, async () => ({ object: 'list', data: await this.#catalog.list() }));

  readonly model = (exchange: LoopbackExchange): Promise<void> =>
    this.#answer(exchange, async () => {
      const id = decoded(exchange.path.slice(modelsPath.length));
      const startedAtMs = systemClock.elapsed();
      const found = (await this.#catalog.list()).find((model) => model.id === id);
      if (found !== undefined) return found;
      const waitedMs = Math.round(systemClock.elapsed() - startedAtMs);
      throw new GatewayError('MODEL_NOT_FOUND', { model: id, waitedMs });
    });

  /** Whether requests have a chance: the node runs, and somebody serves something. Whoever asks is told no more than that. */
  readonly health = async ({ answer }: LoopbackExchange): Promise<void> => {
    const isRunning = this.#node.libp2p.status === 'started' && this.#stoppingAt === undefined;
    const models = isRunning ? await this.#catalog.list().catch(() => []) : [];
    const [status, word] = models.length > 0 ? [200, 'ok'] : [503, 'unavailable'];
    answer({ status, contentType: 'application/json', body: JSON.stringify({ status: word }) });
  };

  get #stopping(): GatewayError {
    return new GatewayError('STOPPING', { url: this.#stoppingAt ?? '' });
  }

  async #answer({ answer }: LoopbackExchange, make: () => Promise<object>): Promise<void> {
    try {
      if (this.#stoppingAt !== undefined) throw this.#stopping;
      answer({ contentType: 'application/json', body: JSON.stringify(await make()) });
    } catch (error) {
      answer(failureContent(failureOf(error)));
    }
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
