import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { viewPage, viewPolicy } from '../../src/view/page.ts';
import type { ViewActors, ViewState } from '../../src/view/types.ts';

/** Drawn as the inspector draws, with a style and a script that the page must not take over. */
const chart = `<svg xmlns="http://www.w3.org/2000/svg" class="lm" width="200" height="80" viewBox="0 0 200 80">
<title>Machine request</title><style>.lm{background:red}</style><script>globalThis.wasRun = 1</script>
<g data-state="request.dialing"><rect class="state" x="5" y="20" width="70" height="26"/><text class="name" x="40" y="38">dialing</text></g>
<g data-state="request.receiving"><rect class="state" x="120" y="20" width="70" height="26"/><text class="name" x="155" y="38">receiving</text></g>
<g data-transition="request.dialing|session.opened|0"><path class="edge" d="M75 33h45"/></g></svg>`;

/** A web view of no node: it says what a test has it say. */
export class ViewStub implements AsyncDisposable {
  #token = 'first';
  #port = 0;
  #state: ViewState | undefined;
  #actors: ViewActors | undefined;
  readonly #readers = new Set<ServerResponse>();
  readonly #server = createServer(({ url = '', headers }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://127.0.0.1');
    if (searchParams.get('token') !== this.#token) response.writeHead(401).end();
    else if (pathname === '/') {
      const type = { 'Content-Type': 'text/html', 'Content-Security-Policy': viewPolicy };
      response.writeHead(200, type).end(viewPage());
    } else if (pathname === '/chart' && searchParams.get('machine') === 'request') {
      response.writeHead(200, { 'Content-Type': 'image/svg+xml' }).end(chart);
    } else if (pathname === '/events' && headers.accept !== undefined) this.#greet(response);
    else response.writeHead(404).end();
  });

  static async open(): Promise<ViewStub> {
    const stub = new ViewStub();
    await stub.restart();
    return stub;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/?token=${this.#token}`;
  }

  /** What every page is told from now on, and now. */
  say(state: ViewState, actors?: ViewActors): void {
    this.#state = state;
    this.#actors = actors ?? this.#actors;
    for (const reader of this.#readers) this.#tell(reader, 'state', state);
    if (actors !== undefined) for (const reader of this.#readers) this.#tell(reader, 'actors', actors);
  }

  /** As a node that stops in peace. */
  stop(): void {
    this.#server.close();
    for (const reader of this.#readers) reader.end('event: stopped\ndata: {}\n\n');
  }

  /** As a node that is killed: nothing answers. */
  crash(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Listens again at the same port, as a node that is started anew. */
  async restart(token = this.#token): Promise<void> {
    this.#token = token;
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    this.crash();
    await once(this.#server, 'close');
  }

  #greet(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
    this.#readers.add(response);
    response.once('close', () => this.#readers.delete(response));
    if (this.#state !== undefined) this.#tell(response, 'state', this.#state);
    if (this.#actors !== undefined) this.#tell(response, 'actors', this.#actors);
  }

  #tell(reader: ServerResponse, event: string, data: object): void {
    reader.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }
}
