import { noise, type NoiseComponents } from '@libp2p/noise';
import { tcp, type TCPComponents } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import type { ComponentLogger, ConnectionEncrypter, StreamMuxerFactory, Transport } from '@libp2p/interface';
import { batched } from './adapters/batching.ts';
import { droppingLateWrites } from './adapters/lateWrites.ts';
import { quietLogger } from './adapters/logger.ts';
import { noiseCrypto } from './adapters/noiseCrypto.ts';
import { resolveStackConfig, type StackConfig } from './config.ts';

/** What carries bytes between nodes: the fields of the same names of libp2p's configuration. */
export interface Stack {
  transports: ((components: TCPComponents) => Transport)[];
  connectionEncrypters: ((components: NoiseComponents) => ConnectionEncrypter)[];
  streamMuxers: (() => StreamMuxerFactory)[];
  logger: ComponentLogger;
}

/**
 * libp2p's own TCP, Noise and Yamux, tuned. On the wire they are what they were: peers need nothing of this.
 *
 * @throws {ConfigError} `INVALID_CONFIG`, also when the variable `LLOOM_CRYPTO` is neither `auto` nor `pure`
 * @example
 * ```ts
 * const node = await createLibp2p({ ...createStack(), addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] } });
 * ```
 */
export function createStack(config: StackConfig = {}): Stack {
  const { crypto, maxStreamWindowBytes } = resolveStackConfig(config);
  return {
    transports: [tcp()],
    connectionEncrypters: [batched(noise({ crypto: noiseCrypto({ crypto }) }))],
    streamMuxers: [
      droppingLateWrites(yamux({ streamOptions: { maxStreamWindowSize: maxStreamWindowBytes } })),
    ],
    logger: quietLogger(),
  };
}
