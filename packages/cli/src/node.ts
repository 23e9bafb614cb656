import { LloomBehaviour, type Identity, type PackagesConfig, type ServiceType } from '@lloom/behaviour';
import { exitCodes, usageError } from './errors.ts';
import type { NodeOptions } from './options.ts';
import { stopRequested, type Session } from './session.ts';

/** How long a node that stops waits for requests under way, in ms. */
const drainMs = 5_000;

/**
 * Starts a node as the options say.
 * @throws what the packages say about the configuration, the addresses and the ports
 */
export async function startNode(
  identity: Identity,
  options: NodeOptions,
  packages: PackagesConfig = {},
): Promise<LloomBehaviour> {
  const { listen = [], network } = options;
  const beyond = listen.find((address) => !/^\/(?:ip4\/127\.|ip6\/::1\/)/.test(address));
  if (network === 'loopback' && beyond !== undefined) {
    throw usageError(
      `Cannot listen on ${beyond} in the network "loopback"`,
      'Add --network lan or --network public.',
    );
  }
  return LloomBehaviour.create(identity, {
    ...(options.listen !== undefined && { listenAddresses: options.listen }),
    ...(options.data !== undefined && { datastorePath: options.data }),
    bootstrapPeers: options.bootstrap,
    addressPolicy: network,
    enableMdns: options.mdns && network !== 'loopback',
    requestTimeoutMs: options.timeout,
    packages,
  });
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
 * Has the node reached through relays, and relay, as the options say; what comes of it is told.
 * @throws what `@lloom/nat` says about the relays
 */
export async function beReachable(
  node: LloomBehaviour,
  { relay, relayServer }: NodeOptions,
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
  if (relayServer === true) await node.enableRelayServer();
  if (relay !== undefined) await node.enableRelayClient({ relays: relay });
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

/**
 * Runs a node until the command is asked to stop, then stops it in peace, however `serve` ended.
 * @returns the exit code
 */
export async function runServer(
  node: LloomBehaviour,
  session: Session,
  serve: () => Promise<void>,
): Promise<number> {
  const { output, interruption } = session;
  try {
    await serve();
    await stopRequested(session);
  } catch (error) {
    if (interruption.reason === undefined) throw error;
  } finally {
    output.note('Stopping: offers are withdrawn, requests under way finish. A second signal ends at once.');
    await node.stop({ drainMs });
  }
  output.event('stopped', { reason: interruption.reason });
  return interruption.reason === 'SIGINT' ? exitCodes.interrupted : exitCodes.ok;
}
