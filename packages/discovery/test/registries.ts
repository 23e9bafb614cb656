import { decodeDescriptorFrame, encodeRegistryResult } from '@lloom/codec';
import type {
  ExecutorService,
  RegistryExecutor,
  RegistryResult,
  ServiceDescriptor,
  SignedMessage,
} from '@lloom/codec';
import { EventHub } from '@lloom/core';
import { resolveDiscoveryConfig } from '../src/config.ts';
import type { DiscoveryEvents } from '../src/events.ts';
import { Finder } from '../src/internal/finder.ts';
import type { KnownPeer } from '../src/internal/knownPeers.ts';
import { RegistryClient } from '../src/internal/registryClient.ts';
import { Registry } from '../src/registry.ts';
import { createVerifier, descriptorFrame, executor, FakeClock, FakeNetwork, peerIds } from './fakes.ts';

/** The finder of a node over a fake network, with the registry that it keeps and the one that it asks. */
export function createRegistries({ hasVerifier = true }: { readonly hasVerifier?: boolean } = {}) {
  const clock = new FakeClock();
  const network = new FakeNetwork(peerIds.alice);
  const random = { bytes: (length: number) => new Uint8Array(length), float: () => 0.5 };
  const verifier = hasVerifier ? createVerifier(clock) : undefined;
  const { config, ports } = resolveDiscoveryConfig({ clock, random, ...(verifier && { verifier }) });
  const events = new EventHub<DiscoveryEvents>(() => undefined);
  const shared = { ...ports, dialer: network, network, config, events };
  const abort = new AbortController();
  const stop = (): AbortSignal => abort.signal;
  const nothing = (): void => undefined;
  const finder = new Finder({ ...shared, stop, onDiscovered: nothing, onTaken: nothing });
  const registry = new Registry({ ...shared, finder });
  const client = new RegistryClient({ ...shared, finder, stop });
  return { clock, network, finder, registry, client, abort };
}

/** An offer of an executor. */
export const offer = (more: Partial<ExecutorService> = {}, models?: readonly string[]): ExecutorService =>
  executor(models, more) as ExecutorService;

type Descriptor = SignedMessage<ServiceDescriptor>;
type Wrong = Parameters<typeof descriptorFrame>[2];

/** What an executor signed, with whatever a test wants to be wrong. */
export async function signedBy(
  peerId: string,
  service: ExecutorService = offer(),
  wrong: Wrong = {},
): Promise<Descriptor> {
  const message = decodeDescriptorFrame(await descriptorFrame(peerId, [service], wrong));
  if (message === undefined) throw new Error('there is no descriptor');
  return message;
}

/** A peer that is known, without any signature. */
export function knownPeer(
  peerId: string,
  service: ExecutorService,
  more: Partial<KnownPeer> = {},
): KnownPeer {
  const payload = { peerId, sequence: 1, services: [service], addresses: [] };
  const message = { payload, payloadBytes: new Uint8Array(100) } as unknown as Descriptor;
  return { peerId, message, heardAt: 1_000, heardAtMs: 1_000, isDoubtful: false, ...more };
}

/** An executor as a registry shows it. */
export const shown = (descriptor: Descriptor, more: Partial<RegistryExecutor> = {}): RegistryExecutor => ({
  descriptor,
  isConnected: true,
  lastSeenAt: 1_700_000_000_000,
  ...more,
});

/** The frame of a list of executors. */
export const listOf = (executors: readonly RegistryExecutor[], totalCount: number = executors.length) =>
  encodeRegistryResult({ type: 'executorList', executors, totalCount });

/** The frame of any result. */
export const frameOf = (result: RegistryResult): Uint8Array => encodeRegistryResult(result);
