import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { multiaddr } from '@multiformats/multiaddr';
import { Identity, verifySignedMessage } from '@lloom/identity';
import { recoverTypedDataAddress } from 'viem';
import { median, row, type Row } from './report.ts';
import { createBenchNode, echoProtocol } from './rpcNode.ts';

const rounds = 5;
const roundMs = 1_000;
const inFlight = 16;

/** How often `act` completes in a second, with 16 under way. */
async function rate(act: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  let done = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() - start < roundMs) {
      await act();
      done++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return (done * 1_000) / (performance.now() - start);
}

/** How long `act` takes, in microseconds. */
async function cost(act: () => Promise<unknown>): Promise<number> {
  const times = 200;
  const start = performance.now();
  for (let i = 0; i < times; i++) await act();
  return ((performance.now() - start) * 1_000) / times;
}

type Measure = (act: () => Promise<unknown>) => Promise<number>;

/** Measures both in turn, order reversed every other round, after one round that does not count. */
async function compare(measure: Measure, ours: () => Promise<unknown>, theirs: () => Promise<unknown>) {
  const figures: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round++) {
    const order = round % 2 === 0 ? [0, 1] : [1, 0];
    for (const which of order) {
      const figure = await measure(which === 0 ? ours : theirs);
      if (round > 0) figures[which as 0 | 1].push(figure);
    }
  }
  return { value: median(figures[0]), baseline: median(figures[1]) };
}

async function pings(): Promise<Row> {
  const server = spawn(process.execPath, [fileURLToPath(new URL('rpcPeer.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const { node } = await createBenchNode();
  try {
    const [line] = (await once(server.stdout, 'data')) as [Buffer];
    const connection = await node.dial(multiaddr(line.toString().trim()));
    const peerId = connection.remotePeer;
    const ours = () => node.services.rpc.request(peerId, { type: 'ping' });
    const theirs = async (): Promise<void> => {
      const stream = await connection.newStream(echoProtocol, { maxOutboundStreams: 1_000 });
      const answered = new Promise((resolve) => stream.addEventListener('message', resolve, { once: true }));
      stream.send(new Uint8Array(8));
      await answered;
      await stream.close();
    };
    const figures = await compare(rate, ours, theirs);
    return row('rpc.ping16.vs-libp2p-stream', {
      ...figures,
      unit: '1/s',
      against: 'libp2p, a stream per message',
    });
  } finally {
    await node.stop();
    server.stdin.end();
    await once(server, 'exit');
  }
}

const types = {
  Envelope: [
    { name: 'payloadDigest', type: 'bytes32' },
    { name: 'payloadType', type: 'string' },
    { name: 'to', type: 'address' },
    { name: 'inReplyTo', type: 'bytes32' },
    { name: 'timestampMs', type: 'uint64' },
    { name: 'expiresMs', type: 'uint64' },
    { name: 'nonce', type: 'bytes32' },
  ],
} as const;

async function signatures(): Promise<Row[]> {
  const identity = Identity.generate();
  const request = { model: 'demo-small', prompt: 'x'.repeat(512), idempotencyKey: 'bench' };
  const signed = await identity.sign(request);
  const typed = {
    domain: { name: 'Lloom', version: '1', chainId: 1 },
    types,
    primaryType: 'Envelope',
    message: {
      payloadDigest: identity.verifier().digest(signed.payloadBytes),
      payloadType: signed.payloadType,
      to: signed.to,
      inReplyTo: signed.inReplyTo,
      timestampMs: BigInt(signed.timestampMs),
      expiresMs: BigInt(signed.expiresMs),
      nonce: signed.nonce,
    },
  } as const;
  const signature = await identity.wallet.signTypedData(typed);
  const sign = await compare(
    cost,
    () => identity.sign(request),
    () => identity.wallet.signTypedData(typed),
  );
  const verify = await compare(
    cost,
    () => verifySignedMessage(signed),
    () => recoverTypedDataAddress({ ...typed, signature }),
  );
  return [
    row('rpc.sign.vs-viem', { ...sign, unit: 'us', against: 'viem signTypedData' }),
    row('rpc.verify.vs-viem', { ...verify, unit: 'us', against: 'viem recoverTypedDataAddress' }),
  ];
}

/** Requests against a stream per message on bare libp2p, and signatures against viem. */
export async function rpcSuite(): Promise<Row[]> {
  return [await pings(), ...(await signatures())];
}
