import {
  jsonLines,
  LloomBehaviour,
  textLines,
  type Identity,
  type NodePorts,
  type PackagesConfig,
  type ServiceType,
  type StopConfig,
} from '@lloom/behaviour';
import { relay, type Preset } from '@lloom/behaviour/presets';
import { describeError, exitCodes, usageError } from './errors.ts';
import { obtainToken } from './metricsToken.ts';
import { defaultTokenFile } from './observingOptions.ts';
import type { NodeOptions } from './options.ts';
import { stopRequested, type Session } from './session.ts';
import type { Traces } from './traces.ts';
import type { WebView } from './view/serveView.ts';

/** How long whoever stops waits for requests under way, in ms. */
export const drainMs = 5_000;

/** A node that runs, and what was started for it. */
export interface StartedNode {
  readonly node: LloomBehaviour;
  /** `undefined` unless traces are sent. */
  readonly traces: Traces | undefined;
  /** Opens its web view; `undefined` unless there shall be one. */
  readonly openView: OpenView | undefined;
  /** Stops both; what is left of traces is sent, for two seconds at most. */
  stop(config?: StopConfig): Promise<void>;
}

type OpenView = (role: string) => Promise<WebView>;

/** What starting a node takes beside its options. */
export interface StartConfig {
  readonly session: Session;
  /** What the role of the node wants. @default nothing more */
  readonly preset?: Preset;
  readonly packages?: PackagesConfig;
}

/**
 * Starts a node as the options say.
 * @throws what the packages say about the configuration, the addresses and the ports
 */
export async function startNode(
  identity: Identity,
  options: NodeOptions,
  { session, preset = (config = {}) => config, packages = {} }: StartConfig,
): Promise<StartedNode> {
  const { listen = [], network } = options;
  const beyond = listen.find((address) => !/^\/(?:ip4\/127\.|ip6\/::1\/)/.test(address));
  if (network === 'loopback' && beyond !== undefined) {
    throw usageError(
      `Cannot listen on ${beyond} in the network "loopback"`,
      'Add --network lan or --network public.',
    );
  }
  const traces = await startTraces(identity, options, session);
  try {
    const view = await prepareView(options);
    const config = preset({
      ...(options.listen !== undefined && { listenAddresses: options.listen }),
      ...(options.announce !== undefined && { announceAddresses: options.announce }),
      ...(options.data !== undefined && { datastorePath: options.data }),
      bootstrapPeers: options.bootstrap,
      addressPolicy: network,
      enableMdns: options.mdns && network !== 'loopback',
      requestTimeoutMs: options.timeout,
      packages: options.metrics === undefined ? packages : { ...packages, metrics: { includeProcess: true } },
      ...loggingOf(options, session),
      ...(traces !== undefined && { tracer: traces.tracer }),
      ...(view !== undefined && { inspect: view.inspect }),
    });
    const node = await LloomBehaviour.create(identity, options.relayServer === true ? relay(config) : config);
    const stop = async (stopConfig?: StopConfig): Promise<void> => {
      try {
        await node.stop(stopConfig);
      } finally {
        await traces?.close();
      }
    };
    return { node, traces, openView: view && ((role) => view.open(node, role)), stop };
  } catch (error) {
    await traces?.close();
    throw error;
  }
}

/** Whoever asks for a form of the log wants one. */
function loggingOf(
  { logJson = false, logLevel = logJson ? 'info' : 'off' }: NodeOptions,
  { output }: Session,
): Pick<NodePorts, 'log'> & { readonly logLevel: typeof logLevel } {
  const write = (line: string): void => output.log(line);
  return { logLevel, log: logJson ? jsonLines(write) : textLines(write) };
}

/** Loads what traces take only when they are wanted: it would double the time of a start. */
async function startTraces(
  { peerId }: Identity,
  { traces: url, traceRatio: ratio = 1 }: NodeOptions,
  { output }: Session,
): Promise<Traces | undefined> {
  if (url === undefined) return undefined;
  const { openTraces } = await import('./traces.ts');
  const onFailure = (error: unknown): void =>
    output.note(`Traces cannot be sent to ${url}: ${describeError(error).message}. The node does without.`);
  return openTraces({ url, ratio, peerId, onFailure });
}

/**
 * Gives figures to Prometheus, when the options say so, until the node stops.
 * @throws {MetricsError} when the port cannot be had; `CliError` when the token cannot
 */
async function serveFigures(node: LloomBehaviour, options: NodeOptions, { output }: Session): Promise<void> {
  const { metrics: port, metricsTokenFile: tokenFile = defaultTokenFile } = options;
  if (port === undefined) return;
  const { url } = await node.serveMetrics({ port, token: await obtainToken(tokenFile) });
  output.event('metrics', { url, tokenFile }, [
    `Prometheus finds figures at ${url} with the token in "${tokenFile}".`,
  ]);
}

/** What follows the machines of a node, and shows them. Loaded only when it is wanted: it would slow a start down. */
async function prepareView({ ui: port }: NodeOptions): Promise<
  | {
      readonly inspect: NonNullable<NodePorts['inspect']>;
      readonly open: (node: LloomBehaviour, role: string) => Promise<WebView>;
    }
  | undefined
> {
  if (port === undefined) return undefined;
  const [{ createNodeLive }, { serveView }] = await Promise.all([
    import('./view/nodeLive.ts'),
    import('./view/serveView.ts'),
  ]);
  const live = createNodeLive();
  return { inspect: live.inspect, open: (node, role) => serveView(node, { live, port, role }) };
}

/**
 * Shows the node in a browser, when the options say so, until it stops.
 * @throws {LoopbackError} when the port cannot be had
 */
async function showNode(
  openView: OpenView | undefined,
  role: string,
  { output }: Session,
): Promise<WebView | undefined> {
  const view = await openView?.(role);
  if (view !== undefined) output.event('view', { url: view.url }, [`Web view: ${view.url}`]);
  return view;
}

/** Addresses that another peer can be given: each with the peer id at its end. */
export function fullAddresses(node: LloomBehaviour): string[] {
  const ending = `/p2p/${node.peerId}`;
  return node
    .listenedAddresses()
    .map((address) => (address.endsWith(ending) ? address : `${address}${ending}`));
}

/** What is said of each kind of reachability. */
const reachability = {
  public: 'Others can reach this node.',
  private: 'Nobody outside can reach this node: relays are searched for, unless some were given.',
  unknown: 'Whether others can reach this node is not known.',
} as const;

/**
 * Has the node reached through relays, as the options say; what comes of it is told.
 * @throws what `@lloom/nat` says about the relays
 */
export async function beReachable(
  node: LloomBehaviour,
  { relay: relays }: NodeOptions,
  { output }: Session,
): Promise<void> {
  node.addEventListener('nat:changed', ({ detail: { status } }) => {
    output.event('reachability', status);
    output.note(reachability[status.kind]);
  });
  node.addEventListener('relay:reserved', ({ detail }) => {
    output.event('relayed', { relay: detail.relay, addresses: detail.addresses });
    output.note(`Others reach this node through the relay ${detail.relay}.`);
  });
  if (relays !== undefined) await node.enableRelayClient({ relays });
}

/**
 * Joins the network and offers a service. A node that cannot join goes on trying by itself; people are told.
 * @throws what the packages say about the offer
 */
export async function offer(node: LloomBehaviour, service: ServiceType, session: Session): Promise<void> {
  const { output, interruption } = session;
  node.addEventListener('service:advertised', () => {
    output.event('advertised', { kind: service.kind });
    output.note('The network knows the offer.');
  });
  node.addEventListener('bootstrap:joined', ({ detail }) =>
    output.note(`Joined through ${detail.peerIds.join(', ')}.`),
  );
  node.addEventListener('bootstrap:retrying', ({ detail }) => {
    output.note(`${detail.error.message}. Trying again in ${Math.ceil(detail.delayMs / 1_000)} s.`);
  });
  // An offer that is made before there is anybody to tell would wait for its next try.
  if (node.bootstrapPeers().length > 0)
    await node.bootstrap({ signal: interruption.signal }).catch(() => undefined);
  interruption.signal.throwIfAborted();
  await node.advertiseService(service);
}

/** What running a node takes. */
export interface ServerConfig {
  readonly options: NodeOptions;
  readonly session: Session;
  /** Which sort of node it is, for people. */
  readonly role: 'executor' | 'gateway' | 'validator';
}

/**
 * Runs a node until the command is asked to stop, then stops it in peace, however `serve` ended.
 * @returns the exit code
 */
export async function runServer(
  started: StartedNode,
  { options, session, role }: ServerConfig,
  serve: () => Promise<void>,
): Promise<number> {
  const { output, interruption } = session;
  let view: WebView | undefined;
  try {
    await serveFigures(started.node, options, session);
    view = await showNode(started.openView, role, session);
    await serve();
    await stopRequested(session);
  } catch (error) {
    if (interruption.reason === undefined) throw error;
  } finally {
    output.note('Stopping: offers are withdrawn, requests under way finish. A second signal ends at once.');
    await started.stop({ drainMs });
    await view?.close();
  }
  output.event('stopped', { reason: interruption.reason });
  return interruption.reason === 'SIGINT' ? exitCodes.interrupted : exitCodes.ok;
}
