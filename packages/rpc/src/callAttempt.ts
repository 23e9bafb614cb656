import type { StreamReader } from './internal/answerReaders.ts';
import type { StitchedAnswer, Stretch } from './internal/stitchedAnswer.ts';
import { RpcError } from './errors.ts';
import { answersDifferently } from './internal/facts.ts';
import type { OutboundRequest } from './outbound.ts';
import type { Answer, AnswerChunk } from './types.ts';

/** What an attempt adds to the answer of its call. */
export interface Contribution {
  readonly answer: StitchedAnswer;
  readonly stretch: Stretch;
  readonly reader: StreamReader;
}

/** One time that a request is made of one peer. */
export class Attempt<Result = unknown> {
  readonly request: OutboundRequest<Result>;
  readonly #contribution: Contribution | undefined;
  /** What was shown of this peer's text before: it says it again, and it is not shown again. */
  #replay: { readonly text: string; readonly tokens: number } | undefined;
  #replayed = 0;
  #replayedTokens = 0;
  #first: Promise<AnswerChunk | undefined> | undefined;

  /** @param contribution of one whose answer may come in chunks */
  constructor(request: OutboundRequest<Result>, contribution?: Contribution) {
    this.request = request;
    this.#contribution = contribution;
    const { text = '', tokens = 0 } = contribution?.stretch ?? {};
    if (text !== '') this.#replay = { text, tokens };
  }

  get peerId(): string {
    return this.request.peerId;
  }

  /** Reads the first chunk ahead. Resolves with `undefined` when the attempt has ended before, well or not. */
  begin(): Promise<AnswerChunk | undefined> {
    return (this.#first ??= this.#next());
  }

  /** The next chunk that was not shown before; `undefined` when there is none, however the attempt ended. */
  async read(): Promise<AnswerChunk | undefined> {
    for (;;) {
      const first = this.#first;
      this.#first = undefined;
      const chunk = await (first ?? this.#next());
      if (chunk === undefined) return undefined;
      const shown = this.#replay === undefined ? chunk : this.#unshown(chunk, this.#replay);
      if (shown === undefined) continue;
      this.#show(shown);
      return shown;
    }
  }

  /** Notes in the answer what is proven by now. */
  settle(): void {
    const { stretch, reader } = this.#contribution ?? {};
    if (stretch === undefined || reader === undefined) return;
    stretch.prove(reader.proof.proven);
    stretch.saidBytes = Math.max(stretch.saidBytes, reader.saidBytes);
  }

  /** What is wrong with a proven answer: it is not what was shown of it. */
  contradiction({ content }: Answer): RpcError | undefined {
    return content.startsWith(this.#contribution?.stretch.text ?? '') ? undefined : this.#differently();
  }

  async #next(): Promise<AnswerChunk | undefined> {
    try {
      return await this.request.next();
    } catch {
      // Whoever made the attempt is told how it ended.
      return undefined;
    }
  }

  #unshown(chunk: AnswerChunk, { text, tokens }: { text: string; tokens: number }): AnswerChunk | undefined {
    const known = Math.min(chunk.text.length, text.length - this.#replayed);
    if (!text.startsWith(chunk.text.slice(0, known), this.#replayed)) {
      this.request.abandon(this.#differently());
      return undefined;
    }
    this.#replayed += known;
    this.#replayedTokens += chunk.tokens;
    if (this.#replayed < text.length) return undefined;
    if (known > 0 && known === chunk.text.length) return undefined;
    this.#replay = undefined;
    const unshown = known === 0 ? chunk.tokens : Math.max(0, this.#replayedTokens - tokens);
    return { ...chunk, text: chunk.text.slice(known), tokens: unshown };
  }

  #differently(): RpcError {
    const { requestId, peerId } = this.request;
    return new RpcError('INVALID_RESPONSE', { requestId, peerId, reason: answersDifferently });
  }

  #show(chunk: AnswerChunk): void {
    const { answer, stretch } = this.#contribution ?? {};
    if (stretch === undefined) return;
    stretch.text += chunk.text;
    stretch.tokens += chunk.tokens;
    // Tokens without text begin no answer: there is nothing of it that another one could go on with.
    if (stretch.text !== '') answer?.add(stretch);
  }
}
