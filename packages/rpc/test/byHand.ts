import {
  decodeAnswerChunk,
  decodeAnswerEnd,
  decodeErrorFrame,
  encodeCredit,
  sessionFrame,
  type AnswerPrefix,
  type AnswerSegment,
  type LlmRequest,
  type LlmRequestInput,
  type OpenHead,
  type SessionFrameKind,
  type SignedMessage,
} from '@lloom/codec';
import type { Hex } from '@lloom/core';
import type { Identity } from '@lloom/identity';
import type { NetworkFixture } from '@lloom/simkit/vitest';
import { sessionProtocol } from '../src/internal/protocolIds.ts';
import { HandSession, openBytes, sessionBytes } from './handSession.ts';
import type { Handler } from '../src/index.ts';
import { nodes, type SimNode, type SimNodeConfig } from './simulation.ts';

/** A question as it travels. */
export interface Asked {
  readonly type: 'llmRequest';
  readonly request: SignedMessage<LlmRequest>;
  readonly prefix?: AnswerPrefix;
}

/** A client that plays its session by hand, so that it can ask what no client would. */
export class ByHand {
  readonly session: HandSession;
  #id = 0;

  constructor(session: HandSession) {
    this.session = session;
  }

  /** Asks, in chunks unless told otherwise; gives the number of the request. */
  ask(message: Asked, head: Partial<OpenHead> = {}): number {
    const id = ++this.#id;
    this.session.write(openBytes(id, { message, stream: true, ...head }));
    return id;
  }

  cancel(id: number): void {
    this.session.write(sessionBytes(sessionFrame.cancel, id));
  }

  grant(id: number, bytes: number): void {
    this.session.write(sessionBytes(sessionFrame.credit, id, { payload: encodeCredit(bytes) }));
  }

  /** The messages of an answer that are there as a whole, as bytes. */
  bytesOf(id: number): Buffer[] {
    return this.#messages(id).map(({ message }) => message);
  }

  /** What was said in answer: texts, and at last `end`, the text of a whole answer, or the code of an error. */
  told(id: number): string[] {
    return this.#messages(id).flatMap(({ kind, message }) => {
      if (kind === sessionFrame.error) return decodeErrorFrame(message).code;
      if (kind !== sessionFrame.end) return decodeAnswerChunk(message).text || [];
      const { response } = decodeAnswerEnd(message);
      return response?.type === 'llmResponse' ? response.response.payload.content : 'end';
    });
  }

  /** The error that ended an answer. */
  errorOf(id: number): ReturnType<typeof decodeErrorFrame> {
    const error = this.#messages(id).find(({ kind }) => kind === sessionFrame.error);
    if (error === undefined) throw new Error('Expected an error');
    return decodeErrorFrame(error.message);
  }

  /** What was signed of an answer. */
  segmentsOf(id: number): AnswerSegment[] {
    return this.#messages(id).flatMap(({ kind, message }) => {
      if (kind === sessionFrame.error) return [];
      const frame = kind === sessionFrame.end ? decodeAnswerEnd(message) : decodeAnswerChunk(message);
      return frame.segment?.payload ?? [];
    });
  }

  /** What was said in answer. Large messages come in pieces. */
  #messages(id: number): { readonly kind: SessionFrameKind; readonly message: Buffer }[] {
    const messages = [];
    let pieces: Uint8Array[] = [];
    for (const frame of this.session.frames) {
      if (frame.id !== id) continue;
      pieces.push(frame.payload);
      if (frame.more) continue;
      messages.push({ kind: frame.kind, message: Buffer.concat(pieces) });
      pieces = [];
    }
    return messages;
  }
}

/** A signed question under the key `k`, unless it is given another one. */
export async function ask(
  from: Identity,
  to: Identity,
  { inReplyTo, ...input }: Partial<LlmRequestInput> & { readonly inReplyTo?: Hex } = {},
): Promise<Asked> {
  const about = { to: to.evmAddress, ...(inReplyTo && { inReplyTo }) };
  const request = await from.sign(
    { model: 'demo-small', prompt: 'Hello', idempotencyKey: 'k', ...input },
    about,
  );
  return { type: 'llmRequest', request };
}

/** An executor, and clients that play their sessions by hand: `asker`, and others by name. */
export async function createByHand(
  createNetwork: NetworkFixture['createNetwork'],
  executor: SimNodeConfig,
  others: readonly string[] = [],
) {
  const names = ['asker', ...others];
  const network = await createNetwork<SimNode>({
    link: { delayMs: 50 },
    nodes: [...names, 'executor'],
    createNode: nodes({ executor: { rejoinTimeoutMs: 5_000, ...executor } }),
  });
  const victim = network.node('executor');
  const connect = async (name = 'asker'): Promise<ByHand> => {
    const dialing = network.node(name).node.dialProtocol(victim.node.peerId, sessionProtocol);
    return new ByHand(new HandSession(await network.run(dialing)));
  };
  return { network, executor: victim, asker: network.node('asker'), connect, hand: await connect() };
}

/** A handler, and how often it was called. */
export function counted(handler: Handler) {
  const calls = { count: 0, aborts: 0 };
  const serve: Handler = (request, context) => {
    calls.count++;
    context.signal.addEventListener('abort', () => calls.aborts++);
    return handler(request, context);
  };
  return { calls, serve };
}

/** What `words` says, before its end. */
export const said = (count: number): string[] => Array.from({ length: count }, (_, word) => `word${word} `);
