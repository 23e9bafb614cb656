// Many small nodes in a process of their own, each with one connection.
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p, type Libp2p } from 'libp2p';
import { answerQuestions } from '../part.ts';

/** What a parent asks. */
export interface Questions {
  /** Starts so many nodes that dial the address. */
  readonly dial: {
    readonly asked: { readonly address: string; readonly count: number };
    readonly told: undefined;
  };
}

/** They must not end while their process is there. */
const nodes: Libp2p[] = [];

async function dialOne(address: string): Promise<void> {
  const node = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    services: { identify: identify() },
  });
  nodes.push(node);
  await node.dial(multiaddr(address));
}

answerQuestions<Questions>(async (_, asked) => {
  const { address, count } = asked as Questions['dial']['asked'];
  await Promise.all(Array.from({ length: count }, () => dialOne(address)));
});
