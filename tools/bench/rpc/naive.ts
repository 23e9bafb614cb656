// Signed requests as they are written first: JSON, viem at both ends, a libp2p stream for each.
import { randomBytes } from 'node:crypto';
import { keccak256, recoverTypedDataAddress, toHex, zeroHash, type Hex } from 'viem';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';
import { typedDataOf, type EnvelopeFields } from './envelope.ts';
import { ask, connectStock, startStreamServer } from './libp2pStream.ts';
import { answer, type Stack } from './stack.ts';

interface NaiveMessage extends Omit<EnvelopeFields, 'timestampMs' | 'expiresMs'> {
  /** The payload as JSON. */
  readonly payload: string;
  readonly signer: Hex;
  readonly timestampMs: number;
  readonly expiresMs: number;
  readonly signature: Hex;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const lifetimeMs = 300_000;
const everybody = `0x${'00'.repeat(20)}` as const;

const typed = ({ timestampMs, expiresMs, ...rest }: Omit<NaiveMessage, 'payload' | 'signer' | 'signature'>) =>
  typedDataOf({ ...rest, timestampMs: BigInt(timestampMs), expiresMs: BigInt(expiresMs) });

const digestOf = (payload: string): Hex => keccak256(encoder.encode(payload));

async function seal(
  account: PrivateKeyAccount,
  message: { readonly payloadType: string; readonly payload: object; readonly inReplyTo: Hex },
): Promise<Uint8Array> {
  const { payloadType, inReplyTo } = message;
  const payload = JSON.stringify(message.payload);
  const timestampMs = Date.now();
  const fields = {
    payloadDigest: digestOf(payload),
    payloadType,
    to: everybody,
    inReplyTo,
    timestampMs,
    expiresMs: timestampMs + lifetimeMs,
    nonce: toHex(randomBytes(32)),
  };
  const signature = await account.signTypedData(typed(fields));
  return encoder.encode(JSON.stringify({ ...fields, payload, signer: account.address, signature }));
}

/** The message of some bytes, once it is proven. */
async function open(bytes: Uint8Array): Promise<NaiveMessage> {
  const { signature, signer, payload, ...fields } = JSON.parse(decoder.decode(bytes)) as NaiveMessage;
  const recovered = await recoverTypedDataAddress({ ...typed(fields), signature });
  if (recovered !== signer || digestOf(payload) !== fields.payloadDigest) throw new Error('Not proven');
  return { ...fields, payload, signer, signature };
}

export const naive: Stack = {
  startServer() {
    const account = privateKeyToAccount(generatePrivateKey());
    const content = decoder.decode(answer);
    return startStreamServer(async (bytes) => {
      const { payload, payloadDigest } = await open(bytes);
      const { model } = JSON.parse(payload) as { model: string };
      const response = {
        content,
        finishReason: 'stop',
        inboundTokens: 128,
        outboundTokens: 512,
        totalCost: '5000',
        modelUsed: model,
        requestDigest: payloadDigest,
      };
      return seal(account, { payloadType: 'LlmResponse', payload: response, inReplyTo: payloadDigest });
    });
  },
  async connect(address) {
    const account = privateKeyToAccount(generatePrivateKey());
    const { connection, close } = await connectStock(address);
    let last = 0;
    return {
      async unary(body) {
        const prompt = decoder.decode(body);
        const payload = { model: 'demo-small', messages: [{ role: 'user', content: prompt }] };
        const keyed = { ...payload, idempotencyKey: `naive-${++last}` };
        const request = await seal(account, {
          payloadType: 'LlmRequest',
          payload: keyed,
          inReplyTo: zeroHash,
        });
        const response = await open(await ask(connection, request));
        return (JSON.parse(response.payload) as { content: string }).content;
      },
      close,
    };
  },
};
