import type { ServerResponse } from 'node:http';
import type { LoopbackExchange } from '@lloom/core/loopback';
import type { ResolvedGatewayConfig } from './config.ts';

type Times = Pick<ResolvedGatewayConfig, 'keepAliveMs' | 'stallMs'>;

/**
 * Server-sent events to one reader, who gets the head of the answer with the first of them: whatever fails before has a status of its
 * own. Whoever writes waits for a reader that is slow; one that takes nothing for long is cut off.
 */
export class EventStream {
  readonly #exchange: LoopbackExchange;
  readonly #times: Times;
  readonly #timer: NodeJS.Timeout;
  #response: ServerResponse | undefined;
  #headers: Readonly<Record<string, string>>;
  #isQuiet = true;

  constructor(exchange: LoopbackExchange, times: Times, headers: Readonly<Record<string, string>>) {
    this.#exchange = exchange;
    this.#times = times;
    this.#headers = headers;
    this.#timer = setInterval(() => this.#live(), times.keepAliveMs);
    exchange.signal.addEventListener('abort', () => this.close(), { once: true });
  }

  /** Whether the head of the answer is on its way. */
  get hasBegun(): boolean {
    return this.#response !== undefined;
  }

  /** Adds what the head of the answer says, while it has not begun. */
  addHeaders(headers: Readonly<Record<string, string>>): void {
    this.#headers = { ...this.#headers, ...headers };
  }

  /** Writes some events together. Resolves when more may be written, or nobody reads any more. */
  async send(...events: readonly (object | '[DONE]')[]): Promise<void> {
    const text = events.map(
      (event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`,
    );
    const response = this.#begin();
    this.#isQuiet = false;
    if (response.write(text.join(''))) return;
    await this.#drained(response);
  }

  /** Ends the answer. A reader that takes nothing of the rest is cut off, too. */
  end(): void {
    this.close();
    const response = this.#response;
    if (response === undefined) return;
    const timer = setTimeout(() => response.destroy(), this.#times.stallMs);
    response.once('close', () => clearTimeout(timer)).end();
  }

  /** Says nothing of its own any more. */
  close(): void {
    clearInterval(this.#timer);
  }

  #begin(): ServerResponse {
    // None is given to who asks for the headers alone, and a POST does not.
    return (this.#response ??= this.#exchange.stream('text/event-stream; charset=utf-8', this.#headers)!);
  }

  #live(): void {
    const response = this.#isQuiet ? this.#begin() : undefined;
    this.#isQuiet = true;
    if (response?.writableNeedDrain === false) response.write(': keep-alive\n\n');
  }

  async #drained(response: ServerResponse): Promise<void> {
    if (response.destroyed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => response.destroy(), this.#times.stallMs);
    response.once('drain', resolve).once('close', resolve);
    await promise;
    clearTimeout(timer);
    response.off('drain', resolve).off('close', resolve);
  }
}
