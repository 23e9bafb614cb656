import { noise } from '@libp2p/noise';
import { yamux } from '@libp2p/yamux';
import { identify } from '@libp2p/identify';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { createLibp2p } from 'libp2p';
import { onTestFinished } from 'vitest';
import { Identity } from '@lloom/identity';
import type { LlmRequestInput } from '@lloom/codec';
import { rpc, type RpcConfig, type RpcPorts, type Handler, type Rpc } from '../src/index.ts';

/** The protocol that misbehaving peers of the tests speak. */
export const protocol = '/lloom/req-resp/1.0.0';

/**
 * Stories of many requests and of failing peers are told without limits of the asker's own, and an executor gives up a client
 * at once when it is lost, unless they are about those.
 */
export const unlimited: RpcConfig = {
  maxPendingRequestsPerPeer: 1_000_000,
  avoidAfterFailures: 0,
  rejoinTimeoutMs: 0,
};

/** A node on 127.0.0.1 that is stopped with the test. `serve` is its handler, when it has one. */
export async function createNode(config: RpcConfig & RpcPorts & { serve?: Handler } = {}) {
  const identity = Identity.generate();
  const { serve, ...rest } = config;
  const node = await createLibp2p({
    privateKey: identity.libp2pKey,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1_000 },
    services: {
      identify: identify(),
      ping: ping(),
      rpc: rpc({ ...unlimited, signer: identity.signer(), verifier: identity.verifier(), ...rest }),
    },
  });
  onTestFinished(async () => node.stop());
  const service: Rpc = node.services.rpc;
  if (serve !== undefined) service.serve(serve);
  return { node, identity, rpc: service, peerId: identity.peerId };
}

/** A node without our protocol, for tests to misbehave with. */
export async function createBareNode() {
  const identity = Identity.generate();
  const node = await createLibp2p({
    privateKey: identity.libp2pKey,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  });
  onTestFinished(async () => node.stop());
  return { node, identity, peerId: identity.peerId };
}

/** Tells `from` where `to` listens. */
export async function introduce(
  from: { node: Awaited<ReturnType<typeof createBareNode>>['node'] },
  to: typeof from,
) {
  await from.node.peerStore.merge(to.node.peerId, { multiaddrs: to.node.getMultiaddrs() });
}

/** A signed question from one to the other. */
export async function question(from: Identity, to: Identity, input: Partial<LlmRequestInput> = {}) {
  const request = await from.sign({ model: 'demo-small', prompt: 'Hello', ...input }, { to: to.evmAddress });
  return { type: 'llmRequest', request } as const;
}

/** What a promise was rejected with. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`Expected a failure, got ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );
}
