import type { Answer, PartialAnswer } from '@lloom/behaviour';
import type { JsonObject } from '@lloom/codec';

/** What every part of one answer begins with. */
export interface AnswerHead {
  /** As in `x-request-id`. */
  readonly requestId: string;
  /** When it was asked for, in seconds since 1970. */
  readonly created: number;
  /** As it was asked for. */
  readonly model: string;
}

const finishReasons: Readonly<Record<string, string>> = {
  contentFilter: 'content_filter',
  // What was paid for is spent, and a caller knows no other word for that.
  price: 'length',
};
const reasonOf = ({ finishReason }: Answer): string => finishReasons[finishReason] ?? finishReason;

/** A whole answer in one piece. */
export function completionOf(head: AnswerHead, answer: Answer): object {
  const { role: _, content: replaced, ...extra } = answer.extra ?? {};
  const hasCalls = Array.isArray(extra['tool_calls']);
  const content = answer.content === '' && hasCalls ? null : (replaced ?? answer.content);
  const message = { role: 'assistant', content, refusal: null, ...extra };
  return {
    ...headOf(head, 'chat.completion'),
    choices: [{ index: 0, message, logprobs: null, finish_reason: reasonOf(answer) }],
    usage: usageOf(answer),
    lloom: accountOf(head, answer),
  };
}

/** A part of a stream that begins the message. */
export const firstChunk = (head: AnswerHead): object => chunk(head, { role: 'assistant', content: '' });

/** A part of a stream with some text. */
export const textChunk = (head: AnswerHead, content: string): object => chunk(head, { content });

/** What follows the text: whole tool calls and all else that was said beyond it, the end, and what was counted where it is wanted. */
export function lastChunks(head: AnswerHead, answer: Answer, includeUsage: boolean): object[] {
  const account = { lloom: accountOf(head, answer) };
  const delta = deltaOf(answer.extra);
  const end = chunk(head, {}, reasonOf(answer));
  return [
    ...(delta === undefined ? [] : [chunk(head, delta)]),
    includeUsage ? end : { ...end, ...account },
    ...(includeUsage
      ? [{ ...headOf(head, 'chat.completion.chunk'), choices: [], usage: usageOf(answer), ...account }]
      : []),
  ];
}

/** What a message said beyond text, as a part of a stream says it: each call with its place. */
function deltaOf(said: JsonObject | undefined): JsonObject | undefined {
  const { role: _, content: _content, ...extra } = said ?? {};
  const calls = extra['tool_calls'];
  if (Object.keys(extra).length === 0) return undefined;
  if (!Array.isArray(calls)) return extra;
  const placed = calls.map((call: unknown, index) => ({ index, ...(call as JsonObject) }));
  return { ...extra, tool_calls: placed };
}

function chunk(head: AnswerHead, delta: object, finishReason: string | null = null): object {
  const choices = [{ index: 0, delta, logprobs: null, finish_reason: finishReason }];
  return { ...headOf(head, 'chat.completion.chunk'), choices };
}

function headOf({ requestId, created, model }: AnswerHead, object: string): object {
  return { id: `chatcmpl-${requestId}`, object, created, model };
}

function usageOf({ inboundTokens, outboundTokens }: Answer): object {
  return {
    prompt_tokens: inboundTokens,
    completion_tokens: outboundTokens,
    total_tokens: inboundTokens + outboundTokens,
  };
}

/** What Lloom knows of an answer: who gave it, what it costs, and what they have signed. */
function accountOf({ requestId }: AnswerHead, answer: Answer): object {
  const { totalCost, shares, requestDigest, finishReason } = answer;
  return { requestId, totalCost, shares, requestDigest, finishReason };
}

/** Who took part in an answer, as a header says it. */
export function peerHeader({ shares }: Pick<PartialAnswer, 'shares'>): Readonly<Record<string, string>> {
  return { 'x-lloom-peer-id': shares.map(({ peerId }) => peerId).join(', ') };
}
