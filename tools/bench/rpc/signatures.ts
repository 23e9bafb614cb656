import { Identity, verifySignedMessage } from '@lloom/identity';
import { recoverTypedDataAddress } from 'viem';
import { median, row, type Row } from '../report.ts';
import { typedDataOf } from './envelope.ts';

const rounds = 5;
const times = 200;

/** How long `act` takes, in microseconds. */
async function cost(act: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < times; i++) await act();
  return ((performance.now() - start) * 1_000) / times;
}

/** Measures both in turn, order reversed every other round, after one round that does not count. */
async function compare(ours: () => Promise<unknown>, theirs: () => Promise<unknown>) {
  const figures: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round++) {
    const order = round % 2 === 0 ? [0, 1] : [1, 0];
    for (const which of order) {
      const figure = await cost(which === 0 ? ours : theirs);
      if (round > 0) figures[which as 0 | 1].push(figure);
    }
  }
  return { value: median(figures[0]), baseline: median(figures[1]) };
}

/** Signatures and their checks, in this process. */
export async function signatureRows(): Promise<Row[]> {
  const identity = Identity.generate();
  const request = { model: 'demo-small', prompt: 'x'.repeat(512), idempotencyKey: 'bench' };
  const signed = await identity.sign(request);
  const { payloadType, to, inReplyTo, timestampMs, expiresMs, nonce } = signed;
  const typed = typedDataOf({
    payloadDigest: identity.verifier().digest(signed.payloadBytes),
    payloadType,
    to,
    inReplyTo,
    timestampMs: BigInt(timestampMs),
    expiresMs: BigInt(expiresMs),
    nonce,
  });
  const signature = await identity.wallet.signTypedData(typed);
  const sign = await compare(
    () => identity.sign(request),
    () => identity.wallet.signTypedData(typed),
  );
  const verify = await compare(
    () => verifySignedMessage(signed),
    () => recoverTypedDataAddress({ ...typed, signature }),
  );
  return [
    row('rpc.sign.vs-viem', { ...sign, unit: 'us', against: 'viem signTypedData' }),
    row('rpc.verify.vs-viem', { ...verify, unit: 'us', against: 'viem recoverTypedDataAddress' }),
  ];
}
