import { limits, wantedFeatures, type JsonObject, type LlmRequestInput } from '@lloom/codec';
import type { ChatMessage } from '@lloom/behaviour';
import type { LoopbackExchange } from '@lloom/core/loopback';
import { durationMs, wei } from '../amounts.ts';
import type { ResolvedGatewayConfig } from './config.ts';
import { GatewayError, invalid } from './errors.ts';
import { isPolicy, policies, type GatewayPolicy } from './policies.ts';

/** What a caller wants. */
export interface ChatRequest {
  /** What is signed and sent; without the key that names it, unless the caller gave one. */
  readonly input: LlmRequestInput & { readonly messages: readonly ChatMessage[] };
  /** What whoever answers must be able to do beyond chat, as executors announce it. */
  readonly features: readonly string[];
  readonly stream: boolean;
  /** Whether a stream ends with what was counted. */
  readonly includeUsage: boolean;
  readonly policy: GatewayPolicy;
  readonly timeoutMs: number;
}

type Fields = Readonly<Record<string, unknown>>;
type Defaults = Pick<ResolvedGatewayConfig, 'policy' | 'timeoutMs' | 'maxPrice'>;

/**
 * What a caller wants, by the body and the headers of a request for a chat completion. Fields that Lloom does not know go to
 * the executor in `extra`.
 *
 * @throws {GatewayError} `INVALID_REQUEST`, with the first field that cannot be used
 */
export function readChatRequest(
  { body, headers }: Pick<LoopbackExchange, 'body' | 'headers'>,
  config: Defaults,
): ChatRequest {
  const { model, messages, stream, stream_options: options, n, ...sampled } = fieldsOf(body);
  const {
    temperature,
    top_p: topP,
    stop,
    seed,
    max_tokens: older,
    max_completion_tokens: newer,
    ...unknown
  } = sampled;
  if (typeof model !== 'string' || model === '' || Buffer.byteLength(model) > limits.nameBytes)
    throw invalid('model', model, `the name of a model, of at most ${limits.nameBytes} bytes`);
  if (present(n) !== undefined && n !== 1) throw invalid('n', n, '1: one answer is given to a request');
  const policy = headerOf(headers, 'x-lloom-policy') ?? config.policy;
  if (!isPolicy(policy)) throw invalid('x-lloom-policy', policy, `one of ${policies.join(', ')}`);
  const maxTokens = wholeNumber('max_completion_tokens', newer, 1) ?? wholeNumber('max_tokens', older, 1);
  const maxPrice = lower(config.maxPrice, headerOf(headers, 'x-lloom-max-price'));
  const idempotencyKey = headerOf(headers, 'idempotency-key');
  // Lloom has no word for them; servers take them as a wish for chance.
  const extra = extraOf(isNegative(seed) ? { ...unknown, seed } : unknown);
  const sampling = {
    temperature: numberOf('temperature', temperature),
    topP: numberOf('top_p', topP),
    stop: stopOf(stop),
    seed: isNegative(seed) ? undefined : wholeNumber('seed', seed, 0),
    ...{ maxTokens, maxPrice, idempotencyKey },
    extra: Object.keys(extra).length === 0 ? undefined : extra,
  };
  const given = Object.fromEntries(Object.entries(sampling).filter(([, value]) => value !== undefined));
  const chat = messagesOf(messages);
  return {
    input: { model, messages: chat, ...given },
    features: wantedFeatures({ messages: chat, extra }),
    stream: booleanOf('stream', stream) ?? false,
    includeUsage: includesUsage(present(options)),
    policy,
    timeoutMs: timeoutOf(headerOf(headers, 'x-lloom-timeout')) ?? config.timeoutMs,
  };
}

/** Fields that Lloom does not know. */
function extraOf(unknown: Fields): JsonObject {
  const bytes = Buffer.byteLength(JSON.stringify(unknown));
  if (bytes <= limits.extraBytes) return unknown as JsonObject;
  const sizeOf = (name: string): number => JSON.stringify(unknown[name]).length;
  const names = Object.keys(unknown).toSorted((a, b) => sizeOf(b) - sizeOf(a));
  const [largest = ''] = names;
  const what = names.slice(0, maxNamed).join(', ');
  throw new GatewayError('INVALID_REQUEST', {
    param: largest,
    got: `${bytes} bytes of JSON in ${what}`,
    wanted: `at most ${limits.extraBytes} bytes in all fields together that are passed on as they are`,
  });
}

/** How many fields an error names. */
const maxNamed = 5;

function fieldsOf(body: Uint8Array): Fields {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(body));
  } catch {
    const got = `${body.length} bytes of something else`;
    throw new GatewayError('INVALID_REQUEST', { param: 'body', got, wanted: 'a JSON object in UTF-8' });
  }
  if (!isObject(value)) throw invalid('body', value, 'a JSON object');
  return value;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Programs send null for what they leave out. */
const present = (value: unknown): unknown => value ?? undefined;

function numberOf(param: string, value: unknown): number | undefined {
  if (present(value) === undefined) return undefined;
  if (typeof value !== 'number' || value < 0) throw invalid(param, value, 'a number from 0');
  return value;
}

const isNegative = (seed: unknown): boolean => Number.isSafeInteger(seed) && (seed as number) < 0;

function wholeNumber(param: string, value: unknown, min: number): number | undefined {
  if (present(value) === undefined) return undefined;
  if (!Number.isSafeInteger(value) || (value as number) < min)
    throw invalid(param, value, `a whole number from ${min}`);
  return value as number;
}

function booleanOf(param: string, value: unknown): boolean | undefined {
  if (present(value) === undefined) return undefined;
  if (typeof value !== 'boolean') throw invalid(param, value, 'true or false');
  return value;
}

function stopOf(value: unknown): readonly string[] | undefined {
  if (present(value) === undefined) return undefined;
  const texts: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (!texts.every((text) => typeof text === 'string'))
    throw invalid('stop', value, 'a text, or a list of texts');
  return texts;
}

function includesUsage(options: unknown): boolean {
  if (options === undefined) return false;
  if (!isObject(options)) throw invalid('stream_options', options, 'an object');
  return booleanOf('stream_options.include_usage', options['include_usage']) ?? false;
}

function messagesOf(value: unknown): ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0)
    throw invalid('messages', value, 'a list of at least one message');
  return value.map((message, at) => messageOf(message, `messages[${at}]`));
}

/** A message in words that Lloom knows; what else is in it stands in `extra`, and replaces them at the executor's backend. */
function messageOf(value: unknown, param: string): ChatMessage {
  if (!isObject(value)) throw invalid(param, value, 'an object');
  const { role, content, ...others } = value;
  if (typeof role !== 'string' || role === '') throw invalid(`${param}.role`, role, 'a text, such as "user"');
  const { text, raw } = contentOf(content, `${param}.content`);
  const extra = { ...others, ...(raw !== undefined && { content: raw }) } as JsonObject;
  return { role, content: text, ...(Object.keys(extra).length > 0 && { extra }) };
}

/** The text of a message, and what it is made of when that says more. */
function contentOf(value: unknown, param: string): { readonly text: string; readonly raw?: unknown } {
  if (typeof value === 'string') return { text: value };
  // As of a message that only calls tools.
  if (value === undefined) return { text: '' };
  if (value === null) return { text: '', raw: null };
  if (!Array.isArray(value)) throw invalid(param, value, 'a text, or a list of parts');
  const parts: readonly Fields[] = value.map((part: unknown, at) => {
    if (!isObject(part)) throw invalid(`${param}[${at}]`, part, 'an object');
    return part;
  });
  const texts = parts.flatMap(({ type, text }) =>
    type === 'text' && typeof text === 'string' ? [text] : [],
  );
  // Most servers put a line break between them.
  const text = texts.join('\n');
  const isPlain = texts.length === parts.length && parts.every((part) => Object.keys(part).length === 2);
  return isPlain ? { text } : { text, raw: value };
}

/** One that is there but empty counts as well: whoever means a cap and sends nothing shall not be answered without one. */
function headerOf(headers: LoopbackExchange['headers'], name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** The lower of two caps. */
function lower(own: string | undefined, asked: string | undefined): string | undefined {
  if (asked === undefined) return own;
  let cap: string;
  try {
    cap = wei(asked);
  } catch {
    throw invalid('x-lloom-max-price', asked, 'an amount of wei, as a whole number without unit');
  }
  return own === undefined || BigInt(cap) < BigInt(own) ? cap : own;
}

function timeoutOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  try {
    return durationMs(value);
  } catch {
    throw invalid('x-lloom-timeout', value, 'a time such as 500ms, 30s or 2m; at most 24h');
  }
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
