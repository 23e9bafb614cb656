import { randomUUID } from 'node:crypto';
import { limits, type JsonObject } from '@lloom/codec';
import { BackendError } from './errors.ts';

/** Tool calls of one answer. OpenAI takes as many tools with a request. */
const maxCalls = 128;

/** The kinds of calls, and what each calls the text that comes in pieces. */
const kinds = { function: 'arguments', custom: 'input' } as const;
type Kind = keyof typeof kinds;

/** A call, as far as it has come. */
interface Call {
  readonly index: number;
  id: string;
  kind: Kind;
  name: string;
  text: string;
  /** What else the server says of it, and wants to be told again. */
  rest: Record<string, unknown>;
}

/**
 * The tool calls of a stream, put together from what each chunk adds to them. Servers differ: some leave out the index, or
 * the id; some say the id or the name each time, and some give each call the index 0.
 */
export class ToolCalls {
  readonly #server: string;
  readonly #calls: Call[] = [];
  #bytes = 0;

  /** @param server as it may be shown in errors */
  constructor(server: string) {
    this.#server = server;
  }

  /**
   * Takes what a chunk says of tool calls. `false`: it says nothing of them.
   * @throws {BackendError} `INVALID_RESPONSE`, `TOO_LARGE`
   */
  take(deltas: unknown): boolean {
    if (deltas === undefined || deltas === null) return false;
    if (!Array.isArray(deltas)) throw this.#malformed('no list');
    for (const delta of deltas) {
      if (!isRecord(delta)) throw this.#malformed('a list of something else');
      this.#add(delta);
    }
    return deltas.length > 0;
  }

  /**
   * What the answer has beyond its text; `undefined` when no tool is called.
   * @throws {BackendError} `INVALID_RESPONSE` when a call has no name, `TOO_LARGE`
   */
  get extra(): JsonObject | undefined {
    if (this.#calls.length === 0) return undefined;
    const extra = { tool_calls: this.#calls.map((call) => this.#whole(call)) };
    this.#checkBytes(Buffer.byteLength(JSON.stringify(extra)));
    return extra;
  }

  #add({ index, id, type: _, function: called, custom, ...rest }: Readonly<Record<string, unknown>>): void {
    const kind = isGiven(custom) ? 'custom' : 'function';
    const body = custom ?? called ?? {};
    if (!isRecord(body)) throw this.#malformed(`a ${kind} that is no object`);
    const [name, added = ''] = [text(body['name']), body[kinds[kind]] ?? undefined];
    if (typeof added !== 'string') throw this.#malformed(`${kinds[kind]} that are no text`);
    const call = this.#callOf({ index, id: text(id), name });
    if (isGiven(custom)) call.kind = kind;
    call.id ||= text(id);
    call.name ||= name;
    call.text += added;
    this.#count(added.length);
    for (const [key, value] of Object.entries(rest)) {
      if (!Object.hasOwn(call.rest, key)) this.#count(JSON.stringify([key, value]).length);
      call.rest[key] = value;
    }
  }

  #callOf({
    index,
    id,
    name,
  }: {
    readonly index: unknown;
    readonly id: string;
    readonly name: string;
  }): Call {
    const isIndex = Number.isSafeInteger(index) && (index as number) >= 0;
    if (!isIndex && isGiven(index)) throw this.#malformed('an index that is no number');
    const last = isIndex ? this.#calls.findLast((call) => call.index === index) : this.#calls.at(-1);
    const isOther = id !== '' && last?.id !== '' && last?.id !== id;
    // Who tells neither index nor id tells each call at once.
    const isNext = !isIndex && id === '' && name !== '' && last?.name !== '';
    if (last !== undefined && !isOther && !isNext) return last;
    if (this.#calls.length === maxCalls) throw this.#tooLarge(`more than ${maxCalls} tool calls`);
    const place = isIndex ? (index as number) : this.#calls.length;
    const call: Call = { index: place, id: '', kind: 'function', name: '', text: '', rest: {} };
    this.#calls.push(call);
    return call;
  }

  #whole({ id, kind, name, text: body, rest }: Call): JsonObject {
    if (name === '') throw this.#malformed('a call without a name');
    const whole = { ...rest, id: id === '' ? `call_${randomUUID()}` : id, type: kind };
    return { ...whole, [kind]: { name, [kinds[kind]]: body } } as JsonObject;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#checkBytes(this.#bytes);
  }

  #checkBytes(bytes: number): void {
    if (bytes > limits.extraBytes) throw this.#tooLarge(`tool calls of more than ${limits.extraBytes} bytes`);
  }

  #tooLarge(got: string): BackendError {
    return new BackendError('TOO_LARGE', { server: this.#server, got });
  }

  #malformed(got: string): BackendError {
    return new BackendError('INVALID_RESPONSE', {
      server: this.#server,
      reason: `its tool calls are not in the format: ${got}`,
    });
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
