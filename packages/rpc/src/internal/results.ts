import { Refusal } from '../errors.ts';
import type { AnswerMessage, AnswerPiece } from '../types.ts';

/** Whether a handler gave an answer in pieces. */
export function isIterable(result: unknown): result is AsyncIterable<AnswerPiece> {
  return typeof result === 'object' && result !== null && Symbol.asyncIterator in result;
}

/** Whether something comes later. */
export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/**
 * Fails unless an answer is a message, as handlers may be written without types.
 * @throws {TypeError} that says what was got and what is wanted
 */
export function checkAnswer(answer: unknown): asserts answer is AnswerMessage {
  if (typeof answer === 'object' && answer !== null && 'type' in answer && isMessage(answer.type, answer))
    return;
  throw new TypeError(
    `Cannot answer with ${nameOf(answer)}: wanted a message, { type: 'llmResponse', response } or ` +
      `{ type: 'error', message }, an async iterable, or undefined`,
  );
}

/**
 * What a codec decoded, which must be there at once.
 * @throws {TypeError} that says what was got and what is wanted
 */
export function valueOf(decoded: unknown): unknown {
  if (!isPromise(decoded)) return decoded;
  // What it rejects with must not end the process.
  decoded.then(undefined, () => undefined);
  throw new TypeError('Cannot take a promise: wanted the value of the codec');
}

/**
 * What a codec encoded, which must be there at once.
 * @throws {TypeError} that says what was got and what is wanted
 */
export function bytesOf(encoded: unknown): Uint8Array {
  if (encoded instanceof Uint8Array) return encoded;
  // What it rejects with must not end the process.
  if (isPromise(encoded)) encoded.then(undefined, () => undefined);
  throw new TypeError(`Cannot send ${nameOf(encoded)}: wanted a Uint8Array of the response codec`);
}

/**
 * Fails when an answer is too large, in bytes.
 * @throws {Refusal} `TOO_LARGE`
 */
export function checkSize(sizeBytes: number, maxBytes: number): void {
  if (sizeBytes <= maxBytes) return;
  throw new Refusal('TOO_LARGE', `the answer has ${sizeBytes} bytes, limit is ${maxBytes}`, {
    reason: 'response',
  });
}

function isMessage(type: unknown, answer: object): boolean {
  if (type === 'pong' || type === 'error') return true;
  const response: unknown = type === 'llmResponse' && 'response' in answer ? answer.response : undefined;
  return typeof response === 'object' && response !== null;
}

/** What a value is, without what it holds. */
function nameOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (isPromise(value)) return 'a promise';
  if (typeof value !== 'object') return `a ${typeof value}`;
  if ('type' in value && typeof value.type === 'string')
    return `an object of type "${value.type.slice(0, 40)}"`;
  return Symbol.iterator in value ? 'an iterable that is not async' : 'an object that is no message';
}
