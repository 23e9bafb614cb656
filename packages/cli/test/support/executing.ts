import type { AnswerPiece, AnswerTotals, Handler, HandlerContext } from '@lloom/behaviour';
import type { AnswerPrefix, LlmRequest } from '@lloom/codec';
import type { Backend, BackendChunk, BackendEnd } from '../../src/backends/backend.ts';
import { offlineBackend } from '../../src/backends/offline.ts';
import { executorHandler, type ExecutorConfig, type RequestReport } from '../../src/executor.ts';

/** What a token costs. */
export const pricing = { inboundPrice: '10', outboundPrice: '100' };
/** What is asked: three tokens. */
export const question: LlmRequest = {
  model: 'demo-small',
  messages: [{ role: 'user', content: 'one two three' }],
  idempotencyKey: 'key',
};

/** A backend that gives these pieces and remembers what it was asked. */
export function scripted(
  pieces: readonly (BackendChunk | BackendEnd | Error)[],
): Backend & { readonly asked: LlmRequest[] } {
  const asked: LlmRequest[] = [];
  return {
    name: 'scripted',
    asked,
    models: () => ['demo-small'],
    async *generate(request) {
      asked.push(request);
      for (const piece of pieces) {
        if (piece instanceof Error) throw piece;
        yield piece;
      }
    },
  };
}

/** So many words of a token each. */
export const words = (count: number): BackendChunk[] =>
  Array.from({ length: count }, () => ({ text: 'word ', tokens: 1 }));

/** An executor, and what it reports. */
export function start(config: Partial<ExecutorConfig> = {}): { handler: Handler; reports: RequestReport[] } {
  const reports: RequestReport[] = [];
  const backend = offlineBackend({ models: ['demo-small'], executorId: 'executor-A', paceMs: 0 });
  const handler = executorHandler({
    backend,
    pricing,
    onRequest: (report) => reports.push(report),
    ...config,
  });
  return { handler, reports };
}

/** Asks an executor. */
export function call(
  handler: Handler,
  request: Partial<LlmRequest> = {},
  config: { readonly signal?: AbortSignal; readonly prefix?: AnswerPrefix } = {},
): AsyncIterable<AnswerPiece> {
  const message = { type: 'llmRequest', request: { payload: { ...question, ...request } } };
  const context = {
    peerId: 'client-1',
    signal: config.signal ?? new AbortController().signal,
    channel: { requestId: 'request-1' },
    stream: true,
    prefix: config.prefix,
    metadata: {},
  };
  return handler(
    message as Parameters<Handler>[0],
    context as unknown as HandlerContext,
  ) as AsyncIterable<AnswerPiece>;
}

/** Reads an answer to its end. */
export async function gather(pieces: AsyncIterable<AnswerPiece>): Promise<{
  text: string;
  /** The last ones. */
  totals: AnswerTotals | undefined;
  /** What was said before each piece of text. */
  costs: (string | undefined)[];
}> {
  let text = '';
  let totals: AnswerTotals | undefined;
  const costs: (string | undefined)[] = [];
  for await (const piece of pieces) {
    if (totals?.finishReason !== undefined) throw new Error('something follows the end');
    if (typeof piece === 'string') text += piece;
    else if ('text' in piece) {
      text += piece.text;
      costs.push(totals?.totalCost);
    } else totals = piece;
  }
  return { text, totals, costs };
}
