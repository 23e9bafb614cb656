import { resolveRpcConfig } from '../../src/config.ts';
import type { Network, NetworkHosts } from '../../src/ports.ts';
import { RpcService } from '../../src/rpc.ts';
import type { VirtualClock } from '@lloom/simkit';
import { clockAt, createIdentity, type Party, type Vectors } from './parties.ts';
import { Wire } from './wire.ts';

/** A service of one party whose network does nothing but what a test gives it. */
export function createService(
  vectors: Vectors,
  name: Party,
  { clock, nonces, ...parts }: Partial<Network> & { readonly clock: VirtualClock; readonly nonces: string[] },
): RpcService {
  const identity = createIdentity(vectors, name, { clock, nonces });
  const ports = { clock, signer: identity.signer({}, { clock }), verifier: identity.verifier({}, { clock }) };
  const nothing = async (): Promise<void> => {};
  const network: Network = {
    peerId: identity.peerId,
    openSession: async () => undefined,
    open: () => {
      throw new Error('no stream is opened here');
    },
    serve: nothing,
    unserve: nothing,
    handle: nothing,
    unhandle: nothing,
    flush: nothing,
    log: () => undefined,
    isTraced: false,
    trace: () => undefined,
    ...parts,
  };
  return new RpcService(network, resolveRpcConfig(), ports);
}

/** Two services that can talk to one another. */
export interface Talk {
  readonly client: RpcService;
  readonly executor: RpcService;
  readonly clock: VirtualClock;
  /** Opens a session with the executor, for somebody else than the client. */
  open(): [Wire, Wire];
  /** The sessions that were opened: the client's end and the executor's. */
  readonly sessions: readonly [Wire, Wire][];
}

/** What differs from two services that talk in whole frames. */
export interface TalkConfig {
  /** In which parts bytes arrive. @default as they were written */
  readonly partBytes?: number;
  /** Called for each session with the end of the executor; whether it is taken in place of the executor. */
  readonly onSession?: (there: Wire) => boolean;
}

/** Two services with nothing but streams in memory between them, at the time at which the question was signed. */
export async function startTalk(
  vectors: Vectors,
  { partBytes = Infinity, onSession }: TalkConfig = {},
): Promise<Talk> {
  const [question, , ...segments] = vectors.envelopes;
  const clock = clockAt(question?.timestampMs ?? 0);
  const sessions: [Wire, Wire][] = [];
  let hosts: NetworkHosts | undefined;
  const serve = async (given: NetworkHosts): Promise<void> => {
    hosts = given;
  };
  const executorNonces = segments.map(({ nonce }) => nonce);
  const executor = createService(vectors, 'executor', { clock, nonces: executorNonces, serve });
  const open = (): [Wire, Wire] => {
    const ends = Wire.pair(partBytes);
    sessions.push(ends);
    if (onSession?.(ends[1]) !== true) hosts?.onSession?.(ends[1], vectors.keys.client.peerId);
    return ends;
  };
  const openSession = async (): Promise<Wire> => open()[0];
  const client = createService(vectors, 'client', { clock, nonces: [question?.nonce ?? ''], openSession });
  await Promise.all([executor.start(), client.start()]);
  return { client, executor, clock, open, sessions };
}
