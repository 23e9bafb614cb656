import {
  boolean,
  ConfigError,
  errorText,
  integer,
  optional,
  resolveConfig,
  type Check,
  type Checks,
} from '@lloom/core';
import { GossipError } from '../errors.ts';
import type { MessagesConfig, PublishConfig, TopicCodec, TopicValidator } from '../types.ts';

const longestName = 256;
const wantedName = `a text of 1 to ${longestName} characters, without control characters or blanks around it`;

/** A value that was given in place of another, as an error shows it. Never throws. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(errorText(value, 64));
  if (value === null) return 'null';
  if (typeof value === 'function') return 'a function';
  return typeof value === 'object' ? 'an object' : errorText(value, 64);
}

/**
 * The name of a topic that was given by its name or as it was made.
 * @throws {GossipError} `INVALID_TOPIC`
 */
export function topicName(topic: unknown): string {
  const name = typeof topic === 'object' && topic !== null ? attempt(() => nameOf(topic)) : topic;
  const isName =
    typeof name === 'string' &&
    name.length > 0 &&
    name.length <= longestName &&
    name.isWellFormed() &&
    name.trim() === name &&
    !/\p{Cc}/u.test(name);
  if (isName) return name;
  throw new GossipError('INVALID_TOPIC', { got: shown(name ?? topic), wanted: wantedName });
}

const nameOf = (topic: object): unknown => ('name' in topic ? topic.name : undefined);

const signal: Check = optional((value) =>
  value instanceof AbortSignal ? undefined : 'an AbortSignal, such as the `signal` of an AbortController',
);

/** How to publish, complete. */
export interface ResolvedPublish {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
}

/** @throws {ConfigError} */
export function resolvePublish(given: PublishConfig | undefined, timeoutMs: number): ResolvedPublish {
  if (given === undefined) return { signal: undefined, timeoutMs };
  const checks: Checks<ResolvedPublish> = { signal, timeoutMs: integer(0, 86_400_000) };
  return resolveCall('publish', { checks, defaults: { signal: undefined, timeoutMs } }, given);
}

/** @throws {ConfigError} */
export function resolveMessages(given: MessagesConfig | undefined): MessagesConfig {
  const checks = { signal, limit: integer(1, 1_000_000) };
  const defaults = { signal: undefined as AbortSignal | undefined, limit: 1_000 };
  const { signal: end, limit } = resolveCall('messages', { checks, defaults }, given);
  return { limit, ...(end !== undefined && { signal: end }) };
}

/** How a topic of one's own is read and judged: the functions as they were when it was made. */
export interface ResolvedTopic {
  readonly codec: TopicCodec<unknown> | undefined;
  readonly encode: TopicCodec<unknown>['encode'] | undefined;
  readonly decode: TopicCodec<unknown>['decode'] | undefined;
  readonly validate: TopicValidator<unknown> | undefined;
  readonly isQuiet: boolean;
}

/** @throws {ConfigError} */
export function resolveTopic(given: unknown): ResolvedTopic {
  const isFunction: Check = (value) => (typeof value === 'function' ? undefined : 'a function');
  // As it was given: identity tells whether two topics are the same, and the configuration holds copies.
  let own: { -readonly [K in 'codec' | 'encode' | 'decode']?: ResolvedTopic[K] } = {};
  const codec: Check = (value) => {
    const { encode, decode } = (value ?? {}) as Record<'encode' | 'decode', never>;
    own = { codec: value as TopicCodec<unknown>, encode, decode };
    return (isFunction(encode) ?? isFunction(decode)) && 'an object with the functions encode and decode';
  };
  const checks = { codec, validate: isFunction, isQuiet: boolean };
  const defaults: Pick<ResolvedTopic, 'codec' | 'validate' | 'isQuiet'> = {
    codec: undefined,
    validate: undefined,
    isQuiet: false,
  };
  const { validate, isQuiet } = resolveCall('topic', { checks, defaults }, given as object);
  return { codec: own.codec, encode: own.encode, decode: own.decode, validate, isQuiet };
}

interface Rules<C> {
  readonly checks: Checks<C>;
  readonly defaults: C;
}

/** As `resolveConfig`, also for objects that throw when they are read, and for those whose signal is inherited. */
function resolveCall<C extends object>(
  scope: string,
  rules: Rules<C>,
  given: object | undefined,
): Readonly<C> {
  let input = given;
  try {
    if (given !== undefined) input = withSignal(given);
    return resolveConfig<C>(scope, rules, input as Partial<C> | undefined);
  } catch (error) {
    if (ConfigError.is(error)) throw error;
    throw new ConfigError([{ path: scope, got: 'an object that cannot be read', wanted: 'an object' }]);
  }
}

/** With its signal as a field of its own: that of an `AbortController` is none. */
function withSignal(given: object): object {
  const isObject: boolean = typeof given === 'object' && given !== null && !Array.isArray(given);
  const { signal: inherited } = isObject ? (given as { readonly signal?: unknown }) : {};
  return inherited === undefined ? given : { ...given, signal: inherited };
}

/** What the function gives; `undefined` when it throws. */
export function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
