import { createHash } from 'node:crypto';
import { noise } from '@libp2p/noise';
import { plaintext } from '@libp2p/plaintext';
import { yamux } from '@libp2p/yamux';
import type { Fidelity, SimStack } from '../types.ts';
import { simTransport, type TransportParts } from './transport.ts';

/** The libp2p parts of a host. */
export function simStack(parts: Omit<TransportParts, 'isFast'>, fidelity: Fidelity): SimStack {
  // A node signs this key when it shakes hands, and signatures of some kinds of keys differ in length.
  const staticNoiseKey = new Uint8Array(createHash('sha256').update(`noise/${parts.host.name}`).digest());
  return {
    transports: [simTransport({ ...parts, isFast: fidelity === 'fast' })],
    connectionEncrypters: [fidelity === 'full' ? noise({ staticNoiseKey }) : plaintext()],
    streamMuxers: [yamux()],
  };
}
