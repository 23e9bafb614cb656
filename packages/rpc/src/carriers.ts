import { orAbort } from '@lloom/core';
import type { Clock } from '@lloom/core';
import { AskingSession } from './askingSession.ts';
import { StreamCarrier } from './askingStream.ts';
import { RpcError } from './errors.ts';
import type { Carrier } from './internal/exchange.ts';
import type { Network, RequestRef, SessionLink } from './ports.ts';

/** What carriers are made from. */
export interface CarriersConfig {
  readonly network: Network;
  readonly clock: Clock;
  /** Whether sessions are opened. */
  readonly sessions: boolean;
  readonly maxAnswerBytes: number;
  /** The protocol of a request over a stream, by its method. */
  readonly protocolOf: (method: string) => string;
  /** Told of a peer that broke the rules of a session. @default nobody is told */
  readonly onViolation?: (peerId: string) => void;
}

/** A session that is being opened, and for how many requests. */
interface Opening {
  readonly link: Promise<SessionLink | undefined>;
  readonly controller: AbortController;
  waiting: number;
}

/** The ways to other peers: a session where the peer speaks it, else a stream for each request. */
export class Carriers {
  readonly #config: CarriersConfig;
  readonly #sessions = new Map<string, AskingSession>();
  /** Those that take no more requests, too, while some are under way. */
  readonly #all = new Set<AskingSession>();
  readonly #openings = new Map<string, Opening>();

  constructor(config: CarriersConfig) {
    this.#config = config;
  }

  /** The way to a peer that is there already. */
  find(peerId: string): Carrier | undefined {
    return this.#sessions.get(peerId);
  }

  /**
   * The way to a peer, made when there is none.
   * @throws {RpcError} why there is none
   */
  async get(peerId: string, request: RequestRef): Promise<Carrier> {
    if (!this.#config.sessions) return this.#overStreams(peerId);
    const opening = this.#openings.get(peerId) ?? this.#open(peerId, request.requestId);
    opening.waiting++;
    try {
      await orAbort(opening.link, request.signal);
    } catch (error) {
      if (!RpcError.is(error) || !('requestId' in error.data)) throw error;
      // One opening may fail for many requests.
      const data = { ...error.data, requestId: request.requestId } as typeof error.data;
      throw new RpcError(error.code, data, { cause: error.cause });
    } finally {
      opening.waiting--;
      if (opening.waiting === 0) {
        // Who comes now must not wait for one that is given up.
        this.#forget(peerId, opening);
        opening.controller.abort(new Error('nobody waits for the session any more'));
      }
    }
    return this.#sessions.get(peerId) ?? this.#overStreams(peerId);
  }

  /** Ends all sessions; what was written still arrives. */
  async close(): Promise<void> {
    await Promise.all([...this.#all].map((session) => session.close()));
  }

  #overStreams(peerId: string): Carrier {
    const { network, clock, protocolOf, maxAnswerBytes } = this.#config;
    return new StreamCarrier({ network, clock, peerId, protocolOf, maxAnswerBytes });
  }

  #open(peerId: string, requestId: string): Opening {
    const controller = new AbortController();
    const link = this.#openSession(peerId, { requestId, signal: controller.signal });
    const opening: Opening = { link, controller, waiting: 0 };
    this.#openings.set(peerId, opening);
    const forget = (): void => this.#forget(peerId, opening);
    link.then(forget, forget);
    return opening;
  }

  #forget(peerId: string, opening: Opening): void {
    if (this.#openings.get(peerId) === opening) this.#openings.delete(peerId);
  }

  async #openSession(peerId: string, request: RequestRef): Promise<SessionLink | undefined> {
    const { network, maxAnswerBytes, onViolation } = this.#config;
    const link = await network.openSession(peerId, request);
    if (link === undefined) return undefined;
    if (request.signal.aborted) {
      link.abort(new Error('nobody waits for the session any more'));
      return undefined;
    }
    const session = new AskingSession(link, {
      maxAnswerBytes,
      onEnd: (ended) => {
        if (this.#sessions.get(peerId) === ended) this.#sessions.delete(peerId);
      },
      onClosed: (closed) => this.#all.delete(closed),
      onViolation: () => onViolation?.(peerId),
    });
    if (!session.isOpen) return link;
    this.#sessions.set(peerId, session);
    this.#all.add(session);
    return link;
  }
}
