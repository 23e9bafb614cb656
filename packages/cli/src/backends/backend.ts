import type { FinishReason, JsonObject, LlmRequest } from '@lloom/codec';

/** Some more text of an answer, and how many tokens it is. Tokens without text, such as those of a tool call, count. */
export interface BackendChunk {
  readonly text: string;
  readonly tokens: number;
}

/** How an answer ended: the last thing that a backend gives. */
export interface BackendEnd {
  readonly finishReason: FinishReason;
  /** Tokens of the question. @default what was counted before the start */
  readonly inboundTokens?: number;
  /** Tokens of the answer. @default the sum over the chunks */
  readonly outboundTokens?: number;
  /** What the answer has beyond its text, such as `tool_calls`; at most 64 KiB as JSON. @default nothing */
  readonly extra?: JsonObject;
}

/** How one answer is produced. */
export interface GenerateConfig {
  /** Stops the work when it aborts: the client is gone, its time is over, or the node stops. */
  readonly signal: AbortSignal;
}

/** What turns requests into text for an executor. */
export interface Backend {
  /** Short name for logs: `offline`. */
  readonly name: string;
  /** The models it serves, by the names that clients ask for. */
  models(): readonly string[];
  /**
   * Whether it goes on behind a last message of role `assistant`, and gives none of its text again. Without, requests whose
   * answer another executor began are to be refused; see `canContinue` of `serve`.
   * @default false
   */
  readonly canContinue?: boolean;
  /**
   * What it can beyond chat, announced with the offer of the executor. `tools`: it takes tools, reads `extra` of messages,
   * and gives `tool_calls`. Clients that need that ask nobody else.
   * @default nothing
   */
  readonly features?: readonly string[];
  /**
   * Tokens of the question, before any work is done: the price cap is checked against it. What another executor has
   * produced is its last message.
   * @default the tokens of all messages and tools, as `countRequestTokens` counts them
   */
  inboundTokens?(request: LlmRequest): number;
  /**
   * Produces one answer: chunks as they come, then one {@link BackendEnd}. A last message of role `assistant` is the
   * beginning of the answer, produced already: see {@link Backend.canContinue}. `maxTokens`, which counts what is still to
   * be produced, and `stop` must be honoured.
   *
   * @throws {BackendError} when it cannot; the executor turns it into an error that the client can act on
   */
  generate(request: LlmRequest, config: GenerateConfig): AsyncIterable<BackendChunk | BackendEnd>;
}

/** Whether a piece is the end of the answer. */
export function isEnd(piece: BackendChunk | BackendEnd): piece is BackendEnd {
  return 'finishReason' in piece;
}
