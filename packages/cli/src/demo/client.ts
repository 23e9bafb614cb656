// The client of the demo: a process that knows one address of the network and prints what it does as JSON lines.
import {
  evmAddressOf,
  Identity,
  LloomBehaviour,
  LloomError,
  verifySignedMessage,
  type Answer,
  type CallConfig,
  type Provider,
} from '@lloom/behaviour';
import { encodePayload, type LlmRequest, type SignedMessage } from '@lloom/codec';
import { Interruption } from '../interruption.ts';
import { exit, Output } from '../output.ts';
import { demo } from './plan.ts';

const output = new Output({ stdout: process.stdout, stderr: process.stderr, json: true, quiet: true });
const { signal } = new Interruption().watch();

const [bootstrap = ''] = process.argv.slice(2);
const identity = Identity.generate();
const node = await LloomBehaviour.create(identity, {
  addressPolicy: 'loopback',
  bootstrapPeers: [bootstrap],
  // On a busy machine one provider may answer much later than the other.
  packages: { discovery: { settleMs: 5_000 } },
});
node.addEventListener('request:retrying', ({ detail }) =>
  output.event('retrying', { peerId: detail.peerId, error: detail.error }),
);
try {
  await node.bootstrap({ signal });
  output.event('joined', identity.toJSON());

  const providers = await node.findModelProviders(demo.model, { signal });
  output.event('providers', {
    providers: providers.map(({ peerId, info }) => ({ peerId, price: priceOf(info) })),
  });
  const [cheapest, other] = providers.toSorted((a, b) => outboundPrice(a) - outboundPrice(b));
  if (cheapest === undefined || other === undefined) throw new Error(`two must offer ${demo.model}`);

  await ask(cheapest.peerId, await sign(cheapest.peerId));
  // What is killed while it answers is replaced by whoever else serves the model.
  await ask(cheapest.peerId, await sign(cheapest.peerId), { retry: { failover: 'resume' } });
  const tampered = tamperWith(await sign(other.peerId));
  await expectError('tampered', () => ask(other.peerId, tampered));
  await expectError('unserved', () => node.requireModelProviders(demo.unservedModel, { signal }));
} finally {
  await node.stop();
}
output.event('done', {});
exit(0);

function priceOf(info: Provider['info']): { inboundPrice: string; outboundPrice: string } | undefined {
  return info.kind === 'executor' ? info.pricing : undefined;
}

function outboundPrice({ info }: Provider): number {
  return Number(priceOf(info)?.outboundPrice ?? Infinity);
}

/** The question, signed for one executor: no other may act on it. */
async function sign(peerId: string): Promise<SignedMessage<LlmRequest>> {
  const { model, prompt, maxPrice } = demo;
  const to = evmAddressOf(peerId);
  if (to === undefined) throw new Error(`nothing can be signed for ${peerId}`);
  return identity.sign({ model, prompt, maxPrice }, { to });
}

/** Sends a signed question and tells the text as it arrives, then what was proven at its end. */
async function ask(peerId: string, request: SignedMessage<LlmRequest>, call: CallConfig = {}): Promise<void> {
  const startedAt = performance.now();
  const elapsedMs = (): number => Math.round(performance.now() - startedAt);
  output.event('asking', { peerId });
  const stream = node.stream(peerId, { type: 'llmRequest', request }, { ...call, signal });
  for await (const chunk of stream) output.event('chunk', { ...chunk, elapsedMs: elapsedMs() });
  const answer = await stream.result;
  const { content, inboundTokens, outboundTokens, totalCost, requestDigest, parts } = answer;
  output.event('answer', {
    content,
    inboundTokens,
    outboundTokens,
    totalCost,
    shares: answer.shares.map((share) => ({ ...share, inboundTokens: readBy(share.executor, answer) })),
    // Once more, from the signatures alone: what a third party could prove.
    proven: await verifySignedMessage(parts, { requestDigest }),
    elapsedMs: elapsedMs(),
  });
}

/** How many tokens an executor has read, as it has signed last. */
function readBy(executor: string, { parts }: Answer): number {
  const last = parts.findLast(({ signed }) => signed?.signer.toLowerCase() === executor.toLowerCase());
  return last?.signed?.payload.inboundTokens ?? 0;
}

/** The same signature around another payload: ten times the price cap. */
function tamperWith(signed: SignedMessage<LlmRequest>): SignedMessage<LlmRequest> {
  const payload = { ...signed.payload, maxPrice: `${signed.payload.maxPrice}0` };
  return { ...signed, payload, payloadBytes: encodePayload('LlmRequest', payload) };
}

async function expectError(step: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
    output.event('accepted', { step });
  } catch (error) {
    if (!LloomError.isLloomError(error)) throw error;
    output.event('refused', { step, error });
  }
}
