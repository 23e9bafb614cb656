import {
  encodeSessionFrame,
  sessionFrame,
  SessionDecoder,
  type ErrorFrame,
  type SessionFrame,
} from '@lloom/codec';
import { AskingSession } from '../src/askingSession.ts';
import { Budget } from '../src/internal/budget.ts';
import type {
  AnswerKind,
  AnswerReceiver,
  CarriedRequest,
  InboundExchange,
  InboundReceiver,
  ReceivedRequest,
  SentRequest,
} from '../src/internal/exchange.ts';
import { Outbox, OutgoingFlow } from '../src/internal/outbox.ts';
import { ServingSession } from '../src/servingSession.ts';
import { createLinks, type Links, type LinksConfig } from './sessionLinks.ts';

export const kibibyte = 1024;
export const mebibyte = 1024 * kibibyte;

/** Bytes that say where they belong. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let value = seed * 7;
  for (let index = 0; index < length; index++) bytes[index] = value += 31 + (index & 1);
  return bytes;
}

/** The numbers of the kinds, by name. */
export const kindNames = Object.fromEntries(Object.entries(sessionFrame).map(([name, kind]) => [kind, name]));

/** The frames in some bytes. */
export function framesIn(...chunks: readonly Uint8Array[]): SessionFrame[] {
  const frames: SessionFrame[] = [];
  const decoder = new SessionDecoder((next) => frames.push({ ...next, payload: next.payload.slice() }));
  for (const chunk of chunks) decoder.push(chunk);
  return frames;
}

/** A request of ours, and all that it was told. */
export class AskedProbe implements CarriedRequest, AnswerReceiver {
  readonly requestId: string;
  readonly method: string;
  readonly body: Uint8Array;
  /** What it was told, in order; a message as its kind and length. */
  readonly told: string[] = [];
  readonly messages: Uint8Array[] = [];
  readonly timeoutMs: number;
  readonly metadata: Readonly<Record<string, string>>;
  sent: SentRequest | undefined;
  wasSent: boolean | undefined;
  error: unknown;
  /** How often it has ended. */
  ends = 0;

  constructor(
    body: Uint8Array,
    { method = '/echo', timeoutMs = 60_000, metadata = {} }: Partial<AskedProbe> = {},
  ) {
    this.body = body;
    this.method = method;
    this.requestId = `r${body.length}`;
    this.timeoutMs = timeoutMs;
    this.metadata = metadata;
  }

  head(): ReturnType<CarriedRequest['head']> {
    return { timeoutMs: this.timeoutMs, stream: false, metadata: this.metadata };
  }

  onOpened(): void {
    this.told.push('opened');
  }

  onSent(): void {
    this.told.push('sent');
  }

  onProgress(): void {
    if (this.told.at(-1) !== 'progress') this.told.push('progress');
  }

  onMessage(kind: AnswerKind, message: Uint8Array): void {
    this.told.push(`${kind} ${message.length}`);
    this.messages.push(message);
    if (kind !== 'chunk') this.ends++;
  }

  onOmitted(): void {
    this.told.push('omitted');
    this.ends++;
  }

  onLost(error: unknown, wasSent: boolean): void {
    this.told.push('lost');
    this.error = error;
    this.wasSent = wasSent;
    this.ends++;
  }

  /** The bytes of all messages, one behind the other. */
  get received(): Uint8Array {
    return Buffer.concat(this.messages);
  }
}

/** A request of a peer, and all that was told of it. */
export class ServedProbe implements InboundReceiver {
  readonly exchange: InboundExchange;
  readonly isWhole: boolean;
  readonly told: string[] = [];
  request: ReceivedRequest | undefined;
  refused: unknown;
  isGone = false;
  readonly #onRequest: ((probe: ServedProbe) => void) | undefined;

  constructor(exchange: InboundExchange, isWhole: boolean, onRequest?: (probe: ServedProbe) => void) {
    this.exchange = exchange;
    this.isWhole = isWhole;
    this.#onRequest = onRequest;
  }

  announce(): boolean {
    return true;
  }

  receive(request: ReceivedRequest): void {
    this.told.push('received');
    this.request = request;
    this.#onRequest?.(this);
  }

  refuse(error: unknown): void {
    this.told.push('refused');
    this.refused = error;
    void this.exchange.finish(false);
  }

  clientGone(): void {
    this.told.push('gone');
    this.isGone = true;
    void this.exchange.finish(true);
  }

  /** Answers with one message, and is done. */
  answer(message: Uint8Array): void {
    const sent = this.exchange.send('end', message);
    const finish = (): void => void this.exchange.finish(false);
    if (sent === undefined) finish();
    else sent.then(finish, () => undefined);
  }
}

/** What a test chooses of two sessions. */
export interface SessionsConfig extends LinksConfig {
  readonly maxAnswerBytes?: number;
  /** How many requests the session takes. */
  readonly maxRequests?: number;
  readonly maxRequestBytes?: number;
  readonly budgetBytes?: number;
  readonly budget?: Budget;
  /** What becomes of a request that is there. @default it is echoed */
  readonly onRequest?: (probe: ServedProbe) => void;
  /** Why a request is not taken. */
  readonly refuse?: () => ErrorFrame | undefined;
}

/** Both sides of a session, and whoever stands behind them. */
export interface Sessions extends Links {
  readonly asking: AskingSession;
  readonly serving: ServingSession;
  readonly served: ServedProbe[];
  /** How often each side has said that it is over. */
  readonly ended: { asking: number; serving: number };
  readonly ask: (body: Uint8Array, probe?: Partial<AskedProbe>) => AskedProbe;
  /** Runs until nothing happens any more, promises included. */
  readonly settle: () => Promise<void>;
}

/** A serving session, whose client is whoever sits at the near end. */
function createServer(links: Links, config: SessionsConfig) {
  const served: ServedProbe[] = [];
  const { maxRequestBytes = 10 * mebibyte, refuse } = config;
  const onRequest = config.onRequest ?? ((probe: ServedProbe) => probe.answer(probe.request!.body));
  const ended = { asking: 0, serving: 0 };
  const serving = new ServingSession(links.far, {
    peerId: 'peer',
    host: {
      maxRequestBytes,
      bytesLeft: () => undefined,
      unverified: config.budget ?? new Budget(config.budgetBytes ?? 64 * mebibyte),
      accept: (exchange, isWhole) => {
        const refusal = refuse?.();
        if (refusal !== undefined) return refusal;
        const probe = new ServedProbe(exchange, isWhole, onRequest);
        served.push(probe);
        return probe;
      },
    },
    onEnd: () => ended.serving++,
  });
  const settle = async (): Promise<void> => {
    do {
      links.step();
      await turnOfPromises();
    } while (links.near.hasWork || links.far.hasWork);
  };
  return { ...links, serving, served, ended, settle };
}

/** An asking and a serving session, tied to each other. */
export function createSessions(config: SessionsConfig = {}): Sessions {
  const server = createServer(createLinks(config), config);
  const { maxAnswerBytes = 10 * mebibyte, maxRequests } = config;
  const asking = new AskingSession(server.near, {
    maxAnswerBytes,
    onEnd: () => server.ended.asking++,
    ...(maxRequests !== undefined && { maxRequests }),
  });
  const ask = (body: Uint8Array, probe?: Partial<AskedProbe>): AskedProbe => {
    const asked = new AskedProbe(body, probe);
    asked.sent = asking.send(asked, asked);
    return asked;
  };
  return { ...server, asking, ask };
}

/** A serving session whose client is the test itself. */
export function createServing(config: SessionsConfig = {}) {
  const server = createServer(createLinks(config), config);
  const { near, settle } = server;
  const received: Uint8Array[] = [];
  near.attach({
    onBytes: (bytes) => received.push(bytes),
    onDrain: () => undefined,
    onClosed: () => undefined,
  });
  return {
    ...server,
    /** What the client has been answered. */
    frames: () => framesIn(...received),
    say: async (...chunks: readonly Uint8Array[]): Promise<void> => {
      near.write(chunks);
      await settle();
    },
  };
}

/** An asking session whose other end is the test itself. */
export function createAsking(config: SessionsConfig = {}) {
  const { near, far, run } = createLinks(config);
  const received: Uint8Array[] = [];
  let closedBy: Error | undefined;
  far.attach({
    onBytes: (bytes) => received.push(bytes),
    onDrain: () => undefined,
    onClosed: (reason) => (closedBy = reason),
  });
  let ends = 0;
  const { maxAnswerBytes = 10 * mebibyte } = config;
  const asking = new AskingSession(near, { maxAnswerBytes, onEnd: () => ends++ });
  const ask = (body: Uint8Array, probe?: Partial<AskedProbe>): AskedProbe => {
    const asked = new AskedProbe(body, probe);
    asked.sent = asking.send(asked, asked);
    return asked;
  };
  return {
    near,
    far,
    run,
    asking,
    ask,
    /** What the peer of the session has been sent. */
    frames: () => framesIn(...received),
    say: (...chunks: readonly Uint8Array[]): void => {
      far.write(chunks);
      run();
    },
    state: () => ({ ends, closedBy }),
  };
}

/** An outbox whose frames arrive at the test. Its flows are numbered in the order in which they begin. */
export function createOutbox(config: LinksConfig = {}) {
  const { near, far, run } = createLinks(config);
  const received: Uint8Array[] = [];
  far.attach({
    onBytes: (bytes) => received.push(bytes),
    onDrain: () => undefined,
    onClosed: () => undefined,
  });
  const outbox = new Outbox(near);
  near.attach({
    onBytes: () => undefined,
    onDrain: () => outbox.unblock(),
    onClosed: () => outbox.close(),
  });
  let begun = 0;
  /** @param credit beside what it has from the beginning */
  const flow = (credit = 2 ** 40): OutgoingFlow => {
    const made = new OutgoingFlow(outbox, { begin: () => ++begun });
    made.grant(credit);
    return made;
  };
  const frames = (): SessionFrame[] => framesIn(...received);
  /** What has arrived: the id, kind and size of each frame. */
  const arrived = (): string[] =>
    frames().map(
      ({ id, kind, more, payload }) => `${id} ${kindNames[kind]}${more ? '+' : ''} ${payload.length}`,
    );
  return { near, far, run, outbox, flow, frames, arrived };
}

/** What has become of what was sent, now. */
export async function stateOf(sent: Promise<void> | undefined): Promise<string> {
  if (sent === undefined) return 'at once';
  let state = 'waits';
  sent.then(
    () => (state = 'written'),
    (error: Error) => (state = error.message),
  );
  await turnOfPromises();
  return state;
}

/** Every promise that can settle has settled. */
export const turnOfPromises = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type FrameName = keyof typeof sessionFrame;

/** The bytes of one frame. A `+` behind its kind: the message goes on in the next one. */
export function frame(
  name: FrameName | 'open+' | 'body+',
  id: number,
  payload: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const more = name.endsWith('+');
  const kind = sessionFrame[(more ? name.slice(0, -1) : name) as FrameName];
  return encodeSessionFrame({ kind, id, more, payload });
}
