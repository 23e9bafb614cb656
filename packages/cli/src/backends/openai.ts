import { ConfigError, integer, oneOf, resolveConfig, type Check } from '@lloom/core';
import type { ChatMessage, FinishReason, JsonObject, LlmRequest } from '@lloom/codec';
import type { OpenAI } from 'openai';
import type { Backend, BackendChunk, BackendEnd, GenerateConfig } from './backend.ts';
import { BackendError } from './errors.ts';
import { describeServer, toBackendError, type FailureContext } from './openaiErrors.ts';
import { ToolCalls } from './toolCalls.ts';
import { Watchdog } from './watchdog.ts';

/** A model as the network and as the server name it. */
export interface OpenaiModel {
  /** What clients ask for. */
  readonly name: string;
  /** What the server is asked for. @default the same */
  readonly upstream?: string;
}

/**
 * How a server is told to go on behind a last message of role `assistant`. The format does not say, so servers differ:
 *
 * - `none`: it cannot. OpenAI's own answers such a message with a new one.
 * - `prefill`: it does so by itself, as llama.cpp and Ollama do.
 * - `vllm`: by `continue_final_message` and `add_generation_prompt`, which vLLM and SGLang understand.
 */
export type Continuation = (typeof continuations)[number];

/** How an OpenAI-compatible server is asked. */
export interface OpenaiConfig {
  /** Where its API begins, such as `http://127.0.0.1:11434/v1`. */
  readonly baseUrl: string;
  /** What it serves; at least one. */
  readonly models: readonly OpenaiModel[];
  /** Sent as bearer token. @default none: the server wants no key */
  readonly apiKey?: string;
  /**
   * How the server goes on with an answer that another executor began.
   * @default 'none' - a server that begins anew would have its text shown behind the other's
   */
  readonly continuation?: Continuation;
  /** How long the server may take to its first chunk, in ms. @default 60_000 - it may have to load the model */
  readonly firstChunkTimeoutMs?: number;
  /** How long it may stand still between two chunks, in ms. @default 30_000 */
  readonly nextChunkTimeoutMs?: number;
}

/**
 * A backend that asks any HTTP server with the chat completions API of OpenAI, and passes its stream on. Token counts
 * are the server's where it tells them; until it does, each chunk counts as one token.
 *
 * @throws {ConfigError} when the base URL, the models or a time cannot be used
 * @example
 * ```ts
 * const backend = openaiBackend({ baseUrl: 'http://127.0.0.1:11434/v1', models: [{ name: 'llama-3' }] });
 * ```
 */
export function openaiBackend(config: OpenaiConfig): Backend {
  const { apiKey = '', ...given } = config;
  refuseMisplacedSecrets(given.baseUrl, apiKey);
  const { baseUrl, models, continuation, ...timeouts } = resolveConfig('openai', { checks, defaults }, given);
  const server = describeServer(baseUrl);
  const names = models.map((model) => model.name);
  const upstreams = new Map(models.map(({ name, upstream = name }) => [name, upstream]));
  let client: Promise<OpenAI> | undefined;
  return {
    name: 'openai',
    canContinue: continuation !== 'none',
    models: () => names,
    features: ['tools'],
    async *generate(request, { signal }) {
      client ??= connect(baseUrl, apiKey);
      const model = upstreams.get(request.model) ?? request.model;
      const body = bodyOf(request, { model, baseUrl, continuation });
      const exchange = { client: await client, body, timeouts };
      yield* exchangeOnce(exchange, { signal, context: { server, model, secret: apiKey } });
    },
  };
}

type Timeouts = Required<Pick<OpenaiConfig, 'firstChunkTimeoutMs' | 'nextChunkTimeoutMs'>>;
type Body = OpenAI.ChatCompletionCreateParamsStreaming;

const continuations = ['none', 'prefill', 'vllm'] as const;
const httpUrl: Check = (value) =>
  typeof value === 'string' && /^https?:$/.test(URL.parse(value)?.protocol ?? '')
    ? undefined
    : 'an http or https URL';
const modelList: Check = (value) =>
  Array.isArray(value) && value.length > 0 ? undefined : 'a list of at least one { name, upstream? }';
const timeout = integer(1, 86_400_000);
const checks = {
  baseUrl: httpUrl,
  models: modelList,
  continuation: oneOf(...continuations),
  firstChunkTimeoutMs: timeout,
  nextChunkTimeoutMs: timeout,
};
const defaults = {
  baseUrl: '',
  models: [] as readonly OpenaiModel[],
  continuation: 'none' as Continuation,
  firstChunkTimeoutMs: 60_000,
  nextChunkTimeoutMs: 30_000,
};

/** Checked apart, because an error shows what it got. */
function refuseMisplacedSecrets(baseUrl: string, apiKey: string): void {
  const { username = '', password = '' } = URL.parse(baseUrl) ?? {};
  const hasCredentials = username !== '' || password !== '';
  const problems = [
    hasCredentials && {
      path: 'openai.baseUrl',
      got: 'a URL with credentials',
      wanted: 'one without; see apiKey',
    },
    !/^[\x21-\x7e]*$/.test(apiKey) && {
      path: 'openai.apiKey',
      got: 'something else',
      wanted: 'visible ASCII characters',
    },
  ].filter((problem) => problem !== false);
  if (problems.length > 0) throw new ConfigError(problems);
}

/** The library is loaded with the first request. What it would read from the environment by itself is set here. */
async function connect(baseUrl: string, apiKey: string): Promise<OpenAI> {
  const { OpenAI: Client } = await import('openai');
  return new Client({
    baseURL: baseUrl,
    apiKey: apiKey === '' ? 'none' : apiKey,
    adminAPIKey: null,
    organization: null,
    project: null,
    // Retries are the client's: it can ask another executor at once.
    maxRetries: 0,
    logLevel: 'off',
    ...(apiKey === '' && { defaultHeaders: { Authorization: null } }),
  });
}

// What `extra` cannot set: it would change who answers, how it is counted, or what it costs the executor.
const reserved = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'n',
  'best_of',
  'max_tokens',
  'max_completion_tokens',
  'service_tier',
]);

// Without the second the server would begin a new message all the same.
const openEnded = { continue_final_message: true, add_generation_prompt: false };

function bodyOf(
  request: LlmRequest,
  target: { readonly model: string; readonly baseUrl: string; readonly continuation: Continuation },
): Body {
  const { temperature, maxTokens, topP, stop, seed, extra = {} } = request;
  // OpenAI's own newer models refuse `max_tokens`, which is the only name that many other servers know.
  const limit =
    new URL(target.baseUrl).hostname === 'api.openai.com' ? 'max_completion_tokens' : 'max_tokens';
  const isBegun = request.messages.at(-1)?.role === 'assistant';
  return {
    ...(Object.fromEntries(Object.entries(extra).filter(([key]) => !reserved.has(key))) as JsonObject),
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { top_p: topP }),
    ...(stop !== undefined && stop.length > 0 && { stop: [...stop] }),
    ...(seed !== undefined && { seed }),
    ...(maxTokens !== undefined && { [limit]: maxTokens }),
    ...(target.continuation === 'vllm' && isBegun && openEnded),
    model: target.model,
    messages: request.messages.map(toParam),
    stream: true,
    stream_options: { include_usage: true },
  };
}

/** What a message has beyond its text may replace that, by `content` in parts. It cannot replace who speaks. */
const toParam = ({ role, content, extra }: ChatMessage): OpenAI.ChatCompletionMessageParam =>
  ({ content, ...extra, role }) as OpenAI.ChatCompletionMessageParam;

async function* exchangeOnce(
  exchange: { readonly client: OpenAI; readonly body: Body; readonly timeouts: Timeouts },
  { signal, context }: GenerateConfig & { readonly context: FailureContext },
): AsyncGenerator<BackendChunk | BackendEnd> {
  const { client, body, timeouts } = exchange;
  const watchdog = new Watchdog(signal);
  const progress = new Progress(context.server);
  let stage: 'first chunk' | 'next chunk' = 'first chunk';
  let limitMs = timeouts.firstChunkTimeoutMs;
  const failure = (error: unknown): unknown => {
    if (signal.aborted) return signal.reason;
    if (watchdog.expired) return new BackendError('TIMEOUT', { server: context.server, stage, limitMs });
    return toBackendError(error, { ...context, chunks: progress.chunks });
  };
  try {
    const opening = async (): Promise<AsyncIterator<OpenAI.ChatCompletionChunk>> => {
      const stream = await client.chat.completions.create(body, {
        signal: watchdog.signal,
        timeout: limitMs * 2,
      });
      return stream[Symbol.asyncIterator]();
    };
    // The first chunk's time includes the connection and the answer's head.
    watchdog.start(limitMs);
    const iterator = await opening();
    for (;;) {
      const next = await iterator.next();
      watchdog.stop();
      if (next.done === true) break;
      const piece = progress.take(next.value);
      if (piece !== undefined) yield piece;
      [stage, limitMs] = ['next chunk', timeouts.nextChunkTimeoutMs];
      watchdog.start(limitMs);
    }
  } catch (error) {
    throw failure(error);
  } finally {
    watchdog.close();
  }
  if (signal.aborted || watchdog.expired) throw failure(undefined);
  yield progress.end();
}

const finishReasons: ReadonlyMap<string, FinishReason> = new Map([['content_filter', 'contentFilter']]);

/** What is looked at of a chunk. Servers differ in what they leave out, so nothing is taken for granted. */
interface ChunkShape {
  readonly choices?: unknown;
  readonly usage?: { readonly prompt_tokens?: unknown; readonly completion_tokens?: unknown } | null;
}
interface ChoiceShape {
  readonly index?: unknown;
  readonly delta?: { readonly content?: unknown; readonly tool_calls?: unknown } | null;
  readonly finish_reason?: unknown;
}

/** What has arrived so far. */
class Progress {
  chunks = 0;
  readonly #server: string;
  readonly #toolCalls: ToolCalls;
  #finishReason: string | undefined;
  #usage: ChunkShape['usage'];

  constructor(server: string) {
    this.#server = server;
    this.#toolCalls = new ToolCalls(server);
  }

  /** What a chunk adds to the answer: text, or a token of a tool call, which shows nothing before its end. */
  take(chunk: ChunkShape | null): BackendChunk | undefined {
    const choices = Array.isArray(chunk?.choices) ? (chunk.choices as (ChoiceShape | null)[]) : [];
    if (typeof chunk?.usage === 'object') this.#usage = chunk.usage ?? this.#usage;
    const choice = choices.find((each) => (each?.index ?? 0) === 0);
    // Some say an empty one until the end.
    const { finish_reason: reason } = choice ?? {};
    if (typeof reason === 'string' && reason !== '') this.#finishReason = reason;
    const { content, tool_calls: calls } = choice?.delta ?? {};
    const text = typeof content === 'string' ? content : '';
    if (!this.#toolCalls.take(calls) && text === '') return undefined;
    this.chunks++;
    return { text, tokens: 1 };
  }

  /** @throws {BackendError} `BROKEN_OFF`, `INVALID_RESPONSE`, `TOO_LARGE` */
  end(): BackendEnd {
    const server = this.#server;
    const reason = this.#finishReason;
    if (reason === undefined && this.chunks > 0)
      throw new BackendError('BROKEN_OFF', { server, chunks: this.chunks });
    if (reason === undefined) {
      throw new BackendError('INVALID_RESPONSE', {
        server,
        reason: 'it is not a stream of chat completion chunks',
      });
    }
    const inboundTokens = count(this.#usage?.prompt_tokens);
    const outboundTokens = count(this.#usage?.completion_tokens);
    const { extra } = this.#toolCalls;
    return {
      finishReason: finishReasons.get(reason) ?? reason,
      ...(inboundTokens !== undefined && { inboundTokens }),
      ...(outboundTokens !== undefined && { outboundTokens }),
      ...(extra !== undefined && { extra }),
    };
  }
}

function count(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;
}
