// Runs as a process of its own, in a network that has `lo` and nothing else. Elsewhere no node starts: mDNS is not admitted
// under the policy "loopback" then.
import { mdns } from '@libp2p/mdns';
import type { Discovery } from '@lloom/discovery';
import { Identity, LloomBehaviour, type LloomEvent } from '../src/index.ts';

/** What two nodes lived through that share a local network, and know nobody. */
export interface LocalStory {
  readonly peerIds: readonly [client: string, executor: string];
  /** Whom each of them found on the local network. */
  readonly found: readonly [byClient: string, byExecutor: string];
  /** Who announced itself to the client, by the handle of its mDNS. */
  readonly announced: readonly string[];
  /** Who offered the client the model. */
  readonly providers: readonly string[];
  /** Whether the executor was on the client's list until it stopped. */
  readonly wasThere: boolean;
  /** Who expired at the client after the executor had stopped. */
  readonly expired: string;
}

const config = {
  addressPolicy: 'loopback',
  enableMdns: true,
  packages: { discovery: { localPeerTtlMs: 2_000 } },
} as const;

const next = (node: LloomBehaviour, type: 'peer:discovered' | 'peer:expired' | 'service:advertised') =>
  new Promise<LloomEvent>((resolve) => {
    node.addEventListener(type, ({ detail }) => resolve({ type, ...detail } as LloomEvent), { once: true });
  });

const peerOf = (event: LloomEvent): string => ('peerId' in event ? event.peerId : '');

/** Whom a node finds on the local network, or has found while it was started. */
async function firstOf(node: LloomBehaviour): Promise<string> {
  const { discovery } = node.libp2p.services as unknown as { readonly discovery: Discovery };
  return discovery.snapshot().localPeers[0] ?? peerOf(await next(node, 'peer:discovered'));
}

const client = await LloomBehaviour.create(Identity.generate(), config);
const announced = new Set<string>();
client.mdns?.addEventListener('peer', ({ detail }) => announced.add(detail.id.toString()));
const executor = await LloomBehaviour.create(Identity.generate(), config);
const discovered = Promise.all([firstOf(client), firstOf(executor)]);

// Somebody else on this network, who only asks who is there: nodes are sighted more often than by their own questions.
const components = { addressManager: { getAddresses: () => [] }, logger: client.libp2p.logger };
const asking = mdns({ interval: 200 })(components as unknown as Parameters<ReturnType<typeof mdns>>[0]);
const asker = asking as unknown as { start(): Promise<void>; stop(): Promise<void> };
await asker.start();

const found = await discovered;
let hasExpired = false;
const expired = next(client, 'peer:expired').finally(() => (hasExpired = true));
const advertised = next(executor, 'service:advertised');
await executor.advertiseService({ kind: 'executor', models: ['demo-small'], capacity: 1 });
await advertised;
const providers = await client.requireModelProviders('demo-small');

const wasThere = !hasExpired;
await executor.stop({ drainMs: 0 });
const story: LocalStory = {
  peerIds: [client.peerId, executor.peerId],
  found,
  announced: [...announced],
  providers: providers.map(({ peerId }) => peerId),
  wasThere,
  expired: peerOf(await expired),
};
await asker.stop();
await client.stop({ drainMs: 0 });
// Timers that nobody waits for would keep the process for seconds.
process.stdout.write(JSON.stringify(story), () => process.exit());
