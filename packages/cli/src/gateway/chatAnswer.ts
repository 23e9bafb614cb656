import type { PartialAnswer } from '@lloom/behaviour';
import type { JsonObject } from '@lloom/codec';
import type { ToldAnswer } from './keptAnswers.ts';

/** What every part of one answer begins with. */
export interface AnswerHead {
  /** As in `x-request-id`. */
  readonly requestId: string;
  /** When it was asked for, in seconds since 1970. */
  readonly created: number;
  /** As it was asked for. */
  readonly model: string;
}

const finishReasons: ReadonlyMap<string, string> = new Map([
  ['contentFilter', 'content_filter'],
  // What was paid for is spent, and a caller knows no other word for that.
  ['price', 'length'],
]);
const reasonOf = ({ finishReason }: ToldAnswer): string => finishReasons.get(finishReason) ?? finishReason;

/** A whole answer in one piece. */
export function completionOf(head: AnswerHead, answer: ToldAnswer): object {
  const extra = beyondText(answer);
  const content = answer.content === '' && extra['tool_calls'] !== undefined ? null : answer.content;
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
export function lastChunks(head: AnswerHead, answer: ToldAnswer, includeUsage: boolean): object[] {
  const account = { lloom: accountOf(head, answer) };
  const delta = deltaOf(beyondText(answer));
  const end = chunk(head, {}, reasonOf(answer));
  return [
    ...(delta === undefined ? [] : [chunk(head, delta)]),
    includeUsage ? end : { ...end, ...account },
    ...(includeUsage
      ? [{ ...headOf(head, 'chat.completion.chunk'), choices: [], usage: usageOf(answer), ...account }]
      : []),
  ];
}

/** What a message says beyond its text, as a part of a stream says it: each call with its place. */
function deltaOf(extra: JsonObject): JsonObject | undefined {
  const calls = extra['tool_calls'];
  if (Object.keys(extra).length === 0) return undefined;
  if (!Array.isArray(calls)) return extra;
  const placed = calls.map((call: unknown, index) => ({ ...(call as JsonObject), index }));
  return { ...extra, tool_calls: placed };
}

/**
 * What an answer has beyond its text, which stays what was counted and paid for. It is an executor's word: what would not pass for
 * tool calls is left out, since programs break on it.
 */
function beyondText({ extra = {} }: ToldAnswer): JsonObject {
  const { role: _, content: _content, tool_calls: calls, ...others } = extra;
  const areCalls = Array.isArray(calls) && calls.length > 0 && calls.every(isToolCall);
  return areCalls ? { ...others, tool_calls: calls } : others;
}

/** The kinds of calls, and how each names what is handed over. */
const callTexts: ReadonlyMap<unknown, string> = new Map([
  ['function', 'arguments'],
  ['custom', 'input'],
]);

function isToolCall(call: unknown): boolean {
  const { id, type, ...others } = (call ?? {}) as JsonObject;
  const textName = callTexts.get(type);
  if (typeof id !== 'string' || textName === undefined) return false;
  const { name, [textName]: text } = (others[type as string] ?? {}) as JsonObject;
  return typeof name === 'string' && typeof text === 'string';
}

function chunk(head: AnswerHead, delta: object, finishReason: string | null = null): object {
  const choices = [{ index: 0, delta, logprobs: null, finish_reason: finishReason }];
  return { ...headOf(head, 'chat.completion.chunk'), choices };
}

function headOf({ requestId, created, model }: AnswerHead, object: string): object {
  return { id: `chatcmpl-${requestId}`, object, created, model };
}

function usageOf({ inboundTokens, outboundTokens }: ToldAnswer): object {
  return {
    prompt_tokens: inboundTokens,
    completion_tokens: outboundTokens,
    total_tokens: inboundTokens + outboundTokens,
  };
}

/** What Lloom knows of an answer: who gave it, what it costs, and what they have signed. */
function accountOf({ requestId }: AnswerHead, answer: ToldAnswer): object {
  const { totalCost, shares, requestDigest, finishReason } = answer;
  return { requestId, totalCost, shares, requestDigest, finishReason };
}

/** Who took part in an answer, as a header says it. */
export function peerHeader({ shares }: Pick<PartialAnswer, 'shares'>): Readonly<Record<string, string>> {
  return { 'x-lloom-peer-id': shares.map(({ peerId }) => peerId).join(', ') };
}
