import { errorText } from '@lloom/core';
import type { LogFields, LogRecord } from '../ports.ts';
import { logErrorOf } from './logError.ts';
import { fieldOf, logText, showBytes, showText } from './logValues.ts';

/** What a record says, as opposed to who says it, and when. */
export type LogMessage = Pick<LogRecord, 'message' | 'peerId' | 'requestId' | 'error' | 'fields'>;

const maxMessageLength = 2_000;
const maxIdLength = 128;
const maxFields = 32;
const maxArguments = 32;

/** What was handed to a logger, by libp2p's rules, made a message and what stands beside it. Never throws. */
export function logMessageOf(args: readonly unknown[]): LogMessage {
  try {
    return new Reading().read(args);
  } catch (error) {
    return { message: 'what was to be logged could not be read', error: logErrorOf(asError(error)) };
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(errorText(error)));

/** One message while it is read. */
class Reading {
  readonly #fields = new Map<string, LogFields[string]>();
  #peerId: string | undefined;
  #requestId: string | undefined;
  #error: LogRecord['error'];
  #isTidy = true;

  read(args: readonly unknown[]): LogMessage {
    const [first] = args;
    const isText = typeof first === 'string';
    const template = isText ? logText(first, maxMessageLength) : '';
    const given = args.slice(isText ? 1 : 0, maxArguments);
    let used = 0;
    const text = template.replaceAll(/%([a-zA-Z%])/g, (match, letter: string) => {
      if (letter === '%') return '%';
      return used < given.length ? this.#show(letter, given[used++]) : match;
    });
    const rest = given.slice(used).map((value) => this.#show('o', value));
    const message = this.#tidied([text, ...rest.filter((each) => each !== '')].join(' '));
    return {
      message: logText(message || (this.#error?.message ?? ''), maxMessageLength),
      ...(this.#peerId !== undefined && { peerId: this.#peerId }),
      ...(this.#requestId !== undefined && { requestId: this.#requestId }),
      ...(this.#error !== undefined && { error: this.#error }),
      ...(this.#fields.size > 0 && { fields: Object.fromEntries(this.#fields) }),
    };
  }

  /** What stands for a value in the text. */
  #show(letter: string, value: unknown): string {
    const isAside = 'eoOj'.includes(letter);
    if (value instanceof Error) {
      this.#error ??= logErrorOf(value);
      return isAside ? this.#aside() : showText(value);
    }
    if ('btm'.includes(letter)) return showBytes(letter, value);
    if (letter === 'p' && value !== undefined && value !== null)
      this.#peerId ??= logText(showText(value), maxIdLength);
    if (!isAside || typeof value !== 'object' || value === null) return showText(value);
    return this.#takeFields(value) ? this.#aside() : showText(value);
  }

  #aside(): string {
    this.#isTidy = false;
    return '';
  }

  /** What is left of the text where something was taken out of it. */
  #tidied(text: string): string {
    return this.#isTidy ? text : text.replaceAll(/ {2,}/g, ' ').replace(/[\s:,(–-]+$/, '');
  }

  /** `false`: it is not flat. */
  #takeFields(value: object): boolean {
    if (!isPlain(value)) return false;
    const found: [string, LogFields[string]][] = [];
    const errors: Error[] = [];
    for (const [name, content] of Object.entries(value).slice(0, maxFields)) {
      if (content === undefined) continue;
      const field = fieldOf(name, content);
      if (field !== undefined) found.push([name, field]);
      else if (content instanceof Error) errors.push(content);
      else return false;
    }
    for (const [name, field] of found) this.#takeField(name, field);
    if (errors[0] !== undefined) this.#error ??= logErrorOf(errors[0]);
    return true;
  }

  #takeField(name: string, field: LogFields[string]): void {
    if (name === 'peerId' && typeof field === 'string') this.#peerId ??= logText(field, maxIdLength);
    else if (name === 'requestId' && typeof field === 'string')
      this.#requestId ??= logText(field, maxIdLength);
    else if (this.#fields.size < maxFields) this.#fields.set(logText(name, 64), field);
  }
}

/** Whether a value is an object of no class. */
function isPlain(value: object): boolean {
  if (Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
