import { identify, type Identify } from '@libp2p/identify';
import { ping, type Ping } from '@libp2p/ping';
import { createLibp2p, type Libp2pOptions } from 'libp2p';
import type { Libp2p, Stream } from '@libp2p/interface';
import type { SimHost, TestNetwork } from '../src/index.ts';

/** A libp2p node with the two services that everybody has. */
export type Node = Libp2p<{ identify: Identify; ping: Ping }>;

/**
 * Builds a {@link Node} on a host, with some configuration of its own. Connections are left alone: no heartbeat ends one
 * that is cut.
 */
export const createNodeWith = (
  { privateKey, address, stack, datastore }: SimHost,
  config: Libp2pOptions,
): Promise<Node> =>
  createLibp2p({
    ...config,
    privateKey,
    datastore,
    addresses: { listen: [address] },
    ...stack,
    connectionMonitor: { enabled: false },
    connectionManager: { addressDialTimeout: 3_600_000 },
    services: { identify: identify(), ping: ping({ timeout: 3_600_000 }) },
  });

/** Builds a {@link Node} on a host. */
export const createNode = (host: SimHost): Promise<Node> => createNodeWith(host, {});

export const echo = '/test/echo/1.0.0';

/** Answers every byte with itself. */
export async function serveEcho(node: Node): Promise<void> {
  await node.handle(echo, (stream) => {
    stream.addEventListener('message', ({ data }) => void stream.send(data.subarray().slice()));
  });
}

/** A stream of `from` to `to`, open. */
export async function openEcho(network: TestNetwork<Node>, from: string, to: string): Promise<Stream> {
  const target = network.node(to).getMultiaddrs();
  return network.run(async () => network.node(from).dialProtocol(target, echo, { signal: hourLater() }));
}

/** A signal that leaves a dial all the time that a test lets pass. */
export const hourLater = (): AbortSignal => AbortSignal.timeout(3_600_000);

/** The texts that a stream receives, as they come. */
export function received(stream: Stream): string[] {
  const texts: string[] = [];
  stream.addEventListener(
    'message',
    ({ data }) => void texts.push(new TextDecoder().decode(data.subarray())),
  );
  return texts;
}

/** Sends a text. */
export const say = (stream: Stream, text: string): boolean => stream.send(new TextEncoder().encode(text));

/** What a promise was rejected with. */
export const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => {
      throw new Error('Expected a failure');
    },
    (error: Error) => error,
  );
