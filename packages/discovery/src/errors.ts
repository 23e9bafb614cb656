import { isCodedError, LloomError, type CodeTable, type EvmAddress } from '@lloom/core';
import type { AddressFailure, Rejection, ServiceKind } from './types.ts';

/** The data of each {@link DiscoveryError} code. */
export interface DiscoveryErrorData {
  /** The search ended and nobody confirmed the service, or nobody suits. Providers that nobody named are not known. */
  NO_PROVIDERS: {
    readonly kind: ServiceKind;
    readonly model?: string;
    /** How many peers were named. */
    readonly asked: number;
    /** How many offer it; above 0 when one was to be selected and nobody suits. */
    readonly confirmed: number;
    readonly rejected: readonly Rejection[];
  };
  /** The DHT did not finish in time and nothing had been confirmed. Whether there are providers is not known. */
  QUERY_TIMEOUT: { readonly key: string; readonly waitedMs: number; readonly asked: number };
  /** The DHT failed and nothing had been confirmed. Whether there are providers is not known. */
  QUERY_FAILED: { readonly key: string; readonly reason: string };
  /** The node has no content routing: no DHT was set up. */
  NO_DHT: { readonly key: string };
  /** Not every key of an offer is in the DHT yet; some peers may know it. It is tried again. */
  PUBLISH_FAILED: { readonly kind: ServiceKind; readonly reason: PublishProblem };
  /** No bootstrap peer answered. `failures` has each address with its reason. */
  BOOTSTRAP_FAILED: { readonly failures: readonly AddressFailure[] };
  /** There is no bootstrap peer other than this node. */
  NO_BOOTSTRAP_PEERS: { readonly known: number };
  /** The offer or the question cannot be used. Nothing was changed. */
  INVALID_SERVICE: { readonly path: string; readonly got: string; readonly wanted: string };
  /** The peer answered, and its descriptor proves nothing. */
  DESCRIPTOR_REFUSED: { readonly peerId: string; readonly reason: string };
  /** The peer did not answer. It may offer the service all the same. */
  DESCRIPTOR_UNREACHABLE: { readonly peerId: string; readonly reason: string };
  /** The query cannot be used. Nobody was asked. */
  INVALID_QUERY: { readonly path: string; readonly got: string; readonly wanted: string };
  /** The validator did not answer. */
  REGISTRY_UNREACHABLE: { readonly peerId: string; readonly reason: string };
  /** The validator answered with something that cannot be used, or that it does not answer. */
  REGISTRY_REFUSED: { readonly peerId: string; readonly reason: string };
  /** The name of a rendezvous cannot be used. Nothing was changed, and nobody was asked. */
  INVALID_NAME: { readonly got: string; readonly wanted: string };
  /** This node has joined as many names as it may. Nothing was changed. */
  TOO_MANY_NAMES: { readonly name: string; readonly limit: number };
  /** The caller's signal fired. */
  CANCELLED: { readonly act: string };
  /** The service is not started, or stopped meanwhile. */
  STOPPED: { readonly act: string };
  /** Offers must be signed, and no signer was given. */
  MISSING_SIGNER: { readonly act: string };
  /** The signer's key is not the node's, so nobody would believe what it signs. */
  SIGNER_MISMATCH: {
    readonly peerId: string;
    readonly got: EvmAddress;
    readonly wanted: EvmAddress | undefined;
  };
  /** Offers of others must be proven, and no verifier was given. */
  MISSING_VERIFIER: { readonly act: string };
}

/** Why a key did not reach the DHT. */
export type PublishProblem = 'NO_PEERS' | 'NO_ADDRESSES' | 'NO_DHT' | 'TIMEOUT' | 'FAILED';

/** Closed codes of {@link DiscoveryError}. */
export type DiscoveryErrorCode = keyof DiscoveryErrorData;

const problems: Readonly<Record<PublishProblem, string>> = {
  NO_PEERS: 'no peer of the DHT is known yet',
  NO_ADDRESSES: 'this node has no address to announce yet',
  NO_DHT: 'the node has no DHT',
  TIMEOUT: 'the DHT did not finish in time',
  FAILED: 'the DHT failed',
};

const table: CodeTable<DiscoveryErrorData> = {
  NO_PROVIDERS: {
    message: ({ kind, model, asked, confirmed, rejected }) =>
      `Cannot find ${model === undefined ? `any ${kind}` : `a provider of model "${model}"`}` +
      `${confirmed > 0 ? ' that suits' : ''}: ${asked} asked, ${confirmed} confirmed, ${rejected.length} rejected`,
    retryable: true,
    hint: 'Check the name of the model and what is demanded, and that this node has joined; a new provider needs a moment.',
  },
  QUERY_TIMEOUT: {
    message: ({ key, waitedMs, asked }) =>
      `Cannot finish query "${key}": waited ${waitedMs} ms, ${asked} peers asked`,
    retryable: true,
    hint: 'Join the network first (bootstrap), or allow more time.',
  },
  QUERY_FAILED: {
    message: ({ key, reason }) => `Cannot query the DHT for "${key}": ${reason}`,
    retryable: true,
    hint: 'Try again; if it goes on, look at the log of the DHT.',
  },
  NO_DHT: {
    message: ({ key }) => `Cannot use the DHT for "${key}": the node has no content routing`,
    retryable: false,
    hint: 'Add the service kadDHT() to the node.',
  },
  PUBLISH_FAILED: {
    message: ({ kind, reason }) => `Cannot publish the ${kind} service: ${problems[reason]}`,
    retryable: true,
    hint: 'Nothing needs to be done: it is tried again. Peers that ask this node directly are answered meanwhile.',
  },
  BOOTSTRAP_FAILED: {
    message: ({ failures }) =>
      `Cannot reach any bootstrap peer: ${failures.map(({ address, reason }) => `"${address}": ${reason}`).join('; ')}`,
    retryable: true,
    hint: 'Check that a bootstrap peer runs at one of these addresses and that its peer id is right.',
  },
  NO_BOOTSTRAP_PEERS: {
    message: ({ known }) =>
      `Cannot bootstrap: ${known === 0 ? 'no bootstrap peer is known' : 'the only bootstrap peer is this node'}`,
    retryable: false,
    hint: 'Call addBootstrapPeer() with the address of a peer, or set bootstrapPeers.',
  },
  INVALID_SERVICE: {
    message: ({ path, got, wanted }) => `Cannot use service: "${path}" is ${got}, want ${wanted}`,
    retryable: false,
    hint: 'Correct the field.',
  },
  DESCRIPTOR_REFUSED: {
    message: ({ peerId, reason }) => `Cannot believe the descriptor of peer "${peerId}": ${reason}`,
    retryable: false,
    hint: 'Use another peer; this one is broken, has a clock that is wrong, or lies.',
  },
  DESCRIPTOR_UNREACHABLE: {
    message: ({ peerId, reason }) => `Cannot ask peer "${peerId}" for its descriptor: ${reason}`,
    retryable: true,
    hint: 'The peer may be gone; use another one or try later.',
  },
  INVALID_QUERY: {
    message: ({ path, got, wanted }) => `Cannot use query: "${path}" is ${got}, want ${wanted}`,
    retryable: false,
    hint: 'Correct the field.',
  },
  REGISTRY_UNREACHABLE: {
    message: ({ peerId, reason }) => `Cannot ask the registry of peer "${peerId}": ${reason}`,
    retryable: true,
    hint: 'Ask another validator, or search for yourself: a registry is a convenience.',
  },
  REGISTRY_REFUSED: {
    message: ({ peerId, reason }) => `Cannot use the answer of the registry of peer "${peerId}": ${reason}`,
    retryable: false,
    hint: 'Ask another validator; only peers that offer the validator service answer.',
  },
  INVALID_NAME: {
    message: ({ got, wanted }) => `Cannot use the name of a rendezvous: it is ${got}, want ${wanted}`,
    retryable: false,
    hint: 'Choose another name.',
  },
  TOO_MANY_NAMES: {
    message: ({ name, limit }) =>
      `Cannot join rendezvous "${name}": ${limit} names are joined, which is the limit`,
    retryable: false,
    hint: 'Leave a name that is not needed any more first, by the function that joinRendezvous() gave.',
  },
  CANCELLED: {
    message: ({ act }) => `Cannot finish ${act}: the caller cancelled it`,
    retryable: true,
    hint: 'Call again without aborting the signal.',
  },
  STOPPED: {
    message: ({ act }) => `Cannot do ${act}: the discovery service is not started`,
    retryable: false,
    hint: 'Start the node before the call, and keep it running until the call ends.',
  },
  MISSING_SIGNER: {
    message: ({ act }) => `Cannot do ${act}: no signer was given`,
    retryable: false,
    hint: "Give discovery() a signer, such as an identity's signer().",
  },
  SIGNER_MISMATCH: {
    message: ({ peerId, got, wanted }) =>
      `Cannot sign for peer "${peerId}": the signer is ${got}, ` +
      (wanted === undefined ? 'and the key of the node is not secp256k1' : `want ${wanted}`),
    retryable: false,
    hint: 'Start the node with the private key that the signer uses.',
  },
  MISSING_VERIFIER: {
    message: ({ act }) => `Cannot do ${act}: no verifier was given`,
    retryable: false,
    hint: "Give discovery() a verifier, such as an identity's verifier().",
  },
};

/** A service that cannot be advertised or found. Compare `code`, never the message. */
export class DiscoveryError<C extends DiscoveryErrorCode = DiscoveryErrorCode> extends LloomError<
  C,
  DiscoveryErrorData[C]
> {
  constructor(code: C, data: DiscoveryErrorData[C], options: { cause?: unknown } = {}) {
    super('DiscoveryError', table[code], { code, data, ...options });
  }

  /** Whether `error` is a `DiscoveryError`, with that code when one is given. */
  static is<C extends DiscoveryErrorCode>(error: unknown, code?: C): error is DiscoveryError<C> {
    return isCodedError(error, 'DiscoveryError', code);
  }
}
