import type { AnswerPart, AnswerPrefix } from '@lloom/codec';
import type { EvmAddress } from '@lloom/core';
import type { Answer, AnswerShare, PartialAnswer } from '../types.ts';
import { textOf } from './answerProof.ts';

/** What one executor has produced of an answer, and what it has signed of that. */
export class Stretch {
  readonly peerId: string;
  readonly executor: EvmAddress;
  /** What was there before. */
  readonly prefix: AnswerPrefix | undefined;
  /** What was shown of it. */
  text = '';
  tokens = 0;
  /** What it takes to say that once more, in bytes. */
  saidBytes = 0;
  #proven: readonly AnswerPart[] = [];

  constructor(peerId: string, executor: EvmAddress, prefix: AnswerPrefix | undefined) {
    this.peerId = peerId;
    this.executor = executor;
    this.prefix = prefix;
  }

  /**
   * Takes the parts that are proven by now, as far as they are what was shown: the rest is owed to nobody. Tokens without text,
   * such as those of a tool call, are owed for with what follows them: more text, or the end.
   */
  prove(parts: readonly AnswerPart[]): void {
    let length = 0;
    const shown: AnswerPart[] = [];
    for (const [index, part] of parts.entries()) {
      if (!this.text.startsWith(part.text, length)) break;
      length += part.text.length;
      const hasEffect = part.text !== '' || part.signed?.payload.finishReason !== undefined;
      if (hasEffect) shown.push(...parts.slice(shown.length, index + 1));
    }
    // One that says it again may have proven less so far than before.
    if (length >= textOf(this.#proven).length) this.#proven = shown;
  }

  /** The parts, and last, when there is any, text that nothing proves. */
  get parts(): readonly AnswerPart[] {
    const text = this.text.slice(textOf(this.#proven).length);
    const tokens = Math.max(0, this.tokens - this.#signedTokens);
    if (text === '') return this.#proven;
    return [...this.#proven, { executor: this.executor, text, tokens }];
  }

  get share(): AnswerShare {
    const { peerId, executor } = this;
    const tokens = this.#signedTokens;
    const unsignedTokens = Math.max(0, this.tokens - tokens);
    return { peerId, executor, tokens, unsignedTokens, totalCost: this.#totals?.totalCost ?? '0' };
  }

  /** Tokens that it has read, as it has signed. */
  get inboundTokens(): number {
    return this.#totals?.inboundTokens ?? 0;
  }

  get #totals() {
    return this.#proven.at(-1)?.signed?.payload;
  }

  get #signedTokens(): number {
    return this.#proven.reduce((sum, { tokens }) => sum + tokens, 0);
  }
}

/** An answer that one executor after another produces. */
export class StitchedAnswer {
  readonly #stretches: Stretch[] = [];

  /** Who produced the last of it. */
  get last(): Stretch | undefined {
    return this.#stretches.at(-1);
  }

  /** Whether that peer has had a part in it. */
  isBy(peerId: string): boolean {
    return this.#stretches.some((stretch) => stretch.peerId === peerId);
  }

  /** Something of a stretch has been shown. */
  add(stretch: Stretch): void {
    if (this.last !== stretch) this.#stretches.push(stretch);
  }

  /** Everything so far, for whoever goes on; `undefined` when nothing was shown. */
  get prefix(): AnswerPrefix | undefined {
    if (this.last === undefined) return undefined;
    const text = this.#stretches.map((stretch) => stretch.text).join('');
    const tokens = this.#stretches.reduce((sum, stretch) => sum + stretch.tokens, 0);
    return { text, tokens, totalCost: costOf(this.#shares) };
  }

  get soFar(): PartialAnswer {
    const parts = this.#stretches.flatMap((stretch) => stretch.parts);
    const shares = this.#shares;
    return { content: textOf(parts), parts, shares, totalCost: costOf(shares) };
  }

  /** The whole answer, whose end one executor has given: `answer` is its part. */
  whole(answer: Answer): Answer {
    const isEarlier = (stretch: Stretch): boolean => stretch.peerId !== answer.peerId;
    const earlier = this.#stretches.filter(isEarlier);
    if (earlier.length === 0) return answer;
    const parts = [...earlier.flatMap((stretch) => stretch.parts), ...answer.parts];
    const shares = [...earlier.map((stretch) => stretch.share), ...answer.shares];
    const sum = (of: (stretch: Stretch) => number): number =>
      earlier.reduce((total, stretch) => total + of(stretch), 0);
    return {
      ...answer,
      content: textOf(parts),
      parts,
      shares,
      totalCost: costOf(shares),
      inboundTokens: answer.inboundTokens + sum((stretch) => stretch.inboundTokens),
      outboundTokens: answer.outboundTokens + sum((stretch) => stretch.share.tokens),
    };
  }

  get #shares(): readonly AnswerShare[] {
    return this.#stretches.map((stretch) => stretch.share);
  }
}

function costOf(shares: readonly AnswerShare[]): string {
  return shares.reduce((sum, { totalCost }) => sum + BigInt(totalCost), 0n).toString();
}
