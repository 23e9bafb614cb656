import { generateKeyPair } from '@libp2p/crypto/keys';
import { noise, type ICryptoInterface, type NoiseComponents } from '@libp2p/noise';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { tcp } from '@libp2p/tcp';
import { multiaddr } from '@multiformats/multiaddr';
import { onTestFinished } from 'vitest';
import type {
  Connection,
  ConnectionEncrypter,
  MessageStream,
  MultiaddrConnection,
  Upgrader,
} from '@libp2p/interface';

import { batched, noiseCrypto, quietLogger } from '../../src/index.ts';
import { createWire, type Wire } from './wire.ts';

type Encrypter = (components: NoiseComponents) => ConnectionEncrypter;

/** Noise as it comes, and as the stack of this package has it. */
export const stock: Encrypter = noise();
export const tuned: Encrypter = batched(noise({ crypto: noiseCrypto() }));
export const pure: Encrypter = batched(noise({ crypto: noiseCrypto({ crypto: 'pure' }) }));
export const withCrypto = (crypto: ICryptoInterface): Encrypter => batched(noise({ crypto }));

/** One end of an encrypted connection over TCP, without a muxer. */
export interface Side {
  readonly raw: MultiaddrConnection;
  readonly secured: MessageStream;
  /** The sizes of what was handed to TCP since the handshake, in order. */
  readonly writes: number[];
}

/** A client and a server that have shaken hands through a wire, gone with the test. */
export async function securedPair(
  client: Encrypter,
  server: Encrypter,
): Promise<{ readonly client: Side; readonly server: Side; readonly wire: Wire }> {
  const transport = tcp()({ logger: quietLogger() });
  const accepted = Promise.withResolvers<MultiaddrConnection>();
  const listener = transport.createListener({ upgrader: catching(accepted.resolve) });
  await listener.listen(multiaddr('/ip4/127.0.0.1/tcp/0'));
  const wire = await createWire(Number(/\/tcp\/(\d+)/.exec(String(listener.getAddrs()[0]))![1]));
  const dialled = Promise.withResolvers<MultiaddrConnection>();
  const config = { signal: new AbortController().signal, upgrader: catching(dialled.resolve) };
  await transport.dial(multiaddr(`/ip4/127.0.0.1/tcp/${wire.port}`), config);
  const sides = { near: await dialled.promise, far: await accepted.promise };
  onTestFinished(async () => {
    wire.close();
    await listener.close();
  });
  const [near, far] = await Promise.all([
    secure(sides.near, async (raw) => (await components(client)).secureOutbound(raw)),
    secure(sides.far, async (raw) => (await components(server)).secureInbound(raw)),
  ]);
  return { client: near, server: far, wire };
}

async function components(create: Encrypter): Promise<ConnectionEncrypter> {
  const privateKey = await generateKeyPair('Ed25519');
  const upgrader = { getStreamMuxers: () => new Map() } as unknown as Upgrader;
  return create({ privateKey, peerId: peerIdFromPrivateKey(privateKey), logger: quietLogger(), upgrader });
}

async function secure(
  raw: MultiaddrConnection,
  handshake: (raw: MessageStream) => ReturnType<ConnectionEncrypter['secureInbound']>,
): Promise<Side> {
  const writes: number[] = [];
  const send = raw.send.bind(raw);
  // As metrics of libp2p count: before an encrypter gets the connection.
  raw.send = (data) => {
    writes.push(data.byteLength);
    return send(data);
  };
  const { connection: secured } = await handshake(raw);
  writes.length = 0;
  return { raw, secured, writes };
}

/** Tells of the first connection, and forgets it. */
function catching(found: (raw: MultiaddrConnection) => void): Upgrader {
  let tell: typeof found | undefined = found;
  const upgrade = async (raw: MultiaddrConnection): Promise<Connection> => {
    tell?.(raw);
    tell = undefined;
    return {} as Connection;
  };
  return { upgradeOutbound: upgrade, upgradeInbound: upgrade } as unknown as Upgrader;
}

/** The first `length` bytes that a stream gives from now on. */
export function take(stream: MessageStream, length: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let missing = length;
  return new Promise((resolve, reject) => {
    if (missing === 0) resolve(new Uint8Array());
    stream.addEventListener('message', ({ data }) => {
      parts.push(data.subarray());
      missing -= data.byteLength;
      if (missing <= 0) resolve(Buffer.concat(parts));
    });
    stream.addEventListener('close', ({ error }) => reject(error ?? new Error('The stream has ended')));
  });
}
