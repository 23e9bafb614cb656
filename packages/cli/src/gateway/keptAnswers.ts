import { createHash } from 'node:crypto';
import type { Answer } from '@lloom/behaviour';
import type { JsonObject } from '@lloom/codec';
import { RecentMap } from '@lloom/core';
import type { ChatRequest } from './chatRequest.ts';
import { GatewayError } from './errors.ts';

/** What callers are told of an answer. */
export type ToldAnswer = Pick<
  Answer,
  'content' | 'finishReason' | 'inboundTokens' | 'outboundTokens' | 'totalCost' | 'shares' | 'requestDigest'
> & { readonly extra?: JsonObject };

interface Kept {
  readonly digest: string;
  /** `undefined` when the request failed. */
  readonly answer: Promise<ToldAnswer | undefined>;
  size: number;
}

/** How many keys of callers are known. */
const maxKeys = 1_024;
/** How much the texts of all kept answers have together, in UTF-16 units. */
const maxSize = 16 * 1_024 * 1_024;

/**
 * What was answered to requests that their callers gave a key: the same request gets the same answer again, whoever of the network gave it,
 * and is paid for once.
 */
export class KeptAnswers {
  readonly #kept = new RecentMap<Kept>(maxKeys);

  /**
   * What is, or is about to be, the answer to this request; `undefined` without a key, or when nothing is known of it.
   *
   * @throws {GatewayError} `IDEMPOTENCY_CONFLICT`
   */
  find({ input }: ChatRequest): Kept['answer'] | undefined {
    const kept = input.idempotencyKey === undefined ? undefined : this.#kept.get(input.idempotencyKey);
    if (kept !== undefined && kept.digest !== digestOf(input))
      throw new GatewayError('IDEMPOTENCY_CONFLICT', { model: input.model });
    return kept?.answer;
  }

  /** Has whoever asks the same wait for this request. What it gives has to be called when that has ended; the first call counts. */
  begin({ input }: ChatRequest): (answer?: Answer) => void {
    const { idempotencyKey: key } = input;
    if (key === undefined) return () => undefined;
    const { promise, resolve } = Promise.withResolvers<ToldAnswer | undefined>();
    const kept: Kept = { digest: digestOf(input), answer: promise, size: 0 };
    this.#kept.set(key, kept);
    let isOver = false;
    return (answer) => {
      if (isOver) return;
      isOver = true;
      resolve(answer && toldOf(answer));
      if (answer === undefined && this.#kept.get(key) === kept) this.#kept.delete(key);
      kept.size = answer === undefined ? 0 : sizeOf(answer);
      this.#forgetOldest();
    };
  }

  #forgetOldest(): void {
    let size = 0;
    for (const kept of this.#kept.values()) size += kept.size;
    for (const [key, kept] of this.#kept) {
      if (size <= maxSize) return;
      size -= kept.size;
      // What is under way has none yet, and others may wait for it.
      if (kept.size > 0) this.#kept.delete(key);
    }
  }
}

const digestOf = (input: ChatRequest['input']): string =>
  createHash('sha256').update(JSON.stringify(input)).digest('base64');

/** Without what was signed on the way, which holds the text a second time. */
function toldOf({ parts: _, response: _response, ...told }: Answer): ToldAnswer {
  return told;
}

const sizeOf = ({ content, extra }: Answer): number =>
  1 + content.length + (extra === undefined ? 0 : JSON.stringify(extra).length);
