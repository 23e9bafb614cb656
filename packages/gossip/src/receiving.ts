import { CodecError, decodeGossipMessage, type GossipMessage } from '@lloom/codec';
import type { Reports } from '@lloom/core';
import type { Alarms } from './alarms.ts';
import { Authors, type Author } from './internal/authors.ts';
import { ClockSkew } from './internal/clockSkew.ts';
import type { Counts } from './internal/counts.ts';
import type { Demerits } from './internal/demerits.ts';
import { skewHint } from './internal/hints.ts';
import type { Shared } from './internal/shared.ts';
import { Context, Validations } from './internal/validations.ts';
import type { Incoming, Judgement, LogFields, PeerFact } from './ports.ts';
import type { CustomRules, Kind, Topics } from './topics.ts';
import type { DropReason, Verdict } from './types.ts';

/** What receiving needs beside what is shared. */
export interface ReceivingPorts extends Pick<Shared, 'clock' | 'config' | 'events' | 'router'> {
  readonly topics: Pick<Topics, 'deliver' | 'kindsOf' | 'rulesOf'>;
  readonly counts: Counts;
  readonly demerits: Demerits;
  readonly reports: Reports<PeerFact>;
  /** Whether messages of a topic are wanted, still. */
  readonly isRead: (topic: string) => boolean;
  /** Raised while the service runs. */
  readonly alarms: () => Pick<Alarms, 'cause'> | undefined;
}

type Refusal = Judgement & { readonly verdict: 'ignore' | 'reject' };

const ignored: Refusal = Object.freeze({ verdict: 'ignore' });
const rejected: Refusal = Object.freeze({ verdict: 'reject' });
/** Dropped with blame on whoever handed the message over; for all other reasons nobody is to blame for that. */
const blaming: ReadonlySet<DropReason> = new Set(['malformed', 'impostor', 'tooLarge', 'rejected']);
const verdicts: ReadonlySet<unknown> = new Set<Verdict>(['accept', 'ignore', 'reject']);

/** Judges the messages of others, and delivers them. What it remembers of authors outlives the stop of the service. */
export class Receiving {
  readonly #ports: ReceivingPorts;
  readonly #authors: Authors;
  readonly #skew: ClockSkew;
  readonly #validations: Validations;

  constructor(ports: ReceivingPorts) {
    const { clock, config } = ports;
    this.#ports = ports;
    this.#authors = new Authors(clock, config);
    this.#skew = new ClockSkew(clock);
    this.#validations = new Validations(clock, config);
  }

  /** How many messages are being validated. */
  get pending(): number {
    return this.#validations.pending;
  }

  /** See `RouterWatcher.judge`: a promise only where a validator gives one. */
  judge(message: Incoming): Judgement | Promise<Judgement> {
    try {
      const { author, source, topic, sequenceNumber } = message;
      if (!this.#authors.mayHandOver(source)) return this.drop(source, 'tooMany', message);
      const known = author === undefined ? undefined : this.#authors.of(author, topic);
      // What an author hands over itself is its own doing, and counts at once, whatever it is. What others hand over may be a
      // replay: that counts only when it turns out to be new, or anybody could use up what the author may say.
      const isCounted = author === source;
      if (isCounted && known !== undefined && !this.#authors.maySay(known)) return this.#tooMany(message);
      if (message.data.length > this.#ports.config.maxMessageBytes)
        return this.drop(source, 'tooLarge', message);
      const { topics } = this.#ports;
      const kinds = topics.kindsOf(topic);
      if (kinds !== undefined) return this.#judgeKind(message, kinds, known);
      if (known !== undefined && sequenceNumber !== undefined) {
        const problem = this.#authors.admit(known, sequenceNumber, { isTimed: false, isCounted });
        if (problem !== undefined) return this.drop(source, problem, message);
      }
      return this.#judgeValue(message, topics.rulesOf(topic));
    } catch (error) {
      return this.#unjudged(message, error);
    }
  }

  /** Counts a message that is dropped, and says what becomes of it. `message` as far as it could be read. */
  drop(source: string, reason: DropReason, message?: Incoming): Refusal {
    const { counts, reports, alarms, router } = this.#ports;
    counts.drop(reason);
    if (router.isTraced)
      router.trace('dropped a message', { ...(message ? about(message) : { peerId: source }), reason });
    if (reason === 'overload') alarms()?.cause('OVERLOADED');
    if (!blaming.has(reason)) return ignored;
    reports.tell(source, 'INVALID_MESSAGE');
    return rejected;
  }

  /** Gives up the validations that are under way. */
  stop(): void {
    this.#validations.stop();
  }

  /** An author said more itself than it may. */
  #tooMany(message: Incoming): Judgement {
    const { demerits, reports } = this.#ports;
    const { source } = message;
    if (demerits.note(source)) reports.tell(source, 'FLOOD');
    return this.drop(source, 'tooMany', message);
  }

  #judgeKind(message: Incoming, kinds: ReadonlySet<Kind>, known: Author | undefined): Judgement {
    const { author, source, data } = message;
    let content: GossipMessage;
    try {
      content = decodeGossipMessage(data);
    } catch (error) {
      return this.drop(source, undecodable(error), message);
    }
    if (!kinds.has(content.type)) return this.drop(source, 'malformed', message);
    if (author !== undefined && 'peerId' in content && content.peerId !== author)
      return this.drop(source, 'impostor', message);
    if (!this.#isFresh(content.timestampMs, author)) return this.drop(source, 'stale', message);
    if (known !== undefined) {
      const seen = { isTimed: true, isCounted: author === source };
      const problem = this.#authors.admit(known, content.sequence, seen);
      if (problem !== undefined) return this.drop(source, problem, message);
    }
    return this.#accept(message, content);
  }

  #isFresh(timestampMs: number, author: string | undefined): boolean {
    const { alarms, clock, config } = this.#ports;
    const offsetMs = timestampMs - clock.now();
    const isStale = Math.abs(offsetMs) > config.maxMessageAgeMs;
    const skewMs = author === undefined ? undefined : this.#skew.note(author, offsetMs, isStale);
    if (skewMs !== undefined) alarms()?.cause('CLOCK_SKEW', skewHint(skewMs));
    return !isStale;
  }

  #judgeValue(message: Incoming, rules: CustomRules): Judgement | Promise<Judgement> {
    const { author, source, data } = message;
    let value: unknown;
    try {
      // A copy: the bytes are passed on as they are, whatever readers do with theirs.
      value = rules.decode(new Uint8Array(data));
    } catch {
      return this.drop(source, 'malformed', message);
    }
    if (isThenable(value)) {
      Promise.resolve(value).catch(() => undefined);
      throw new Error('the codec gave a promise');
    }
    const { validate } = rules;
    if (validate === undefined) return this.#accept(message, { type: 'custom', value });
    if (rules.mayWait && !this.#validations.hasRoom(source)) return this.drop(source, 'overload', message);
    const context = new Context(author ?? source, source);
    const verdict: unknown = validate(value, context);
    if (!isThenable(verdict)) return this.#conclude(message, value, verdict);
    rules.mayWait = true;
    return this.#validations.wait(verdict, context).then(
      (late) => this.#conclude(message, value, late),
      (error: unknown) => this.#unjudged(message, error),
    );
  }

  #conclude(message: Incoming, value: unknown, verdict: unknown): Judgement {
    if (verdict === 'accept') return this.#accept(message, { type: 'custom', value });
    if (!verdicts.has(verdict)) return this.#unjudged(message, new Error('the validator gave no verdict'));
    return this.drop(message.source, verdict === 'reject' ? 'rejected' : 'ignored', message);
  }

  #unjudged(message: Incoming, error: unknown): Judgement {
    const { source, topic } = message;
    this.#ports.router.logError('a message could not be judged', error, { peerId: source, topic });
    return this.drop(source, 'unjudged', message);
  }

  #accept(
    incoming: Incoming,
    message: GossipMessage | { readonly type: 'custom'; readonly value: unknown },
  ): Judgement {
    const { counts, events, isRead, router, topics } = this.#ports;
    const { author, source, topic } = incoming;
    counts.accept(topic, message.type === 'custom' ? undefined : message.timestampMs);
    if (router.isTraced) router.trace('accepted a message', about(incoming));
    const peerId = author ?? source;
    const deliver = (): void => {
      if (!isRead(topic)) return;
      if (message.type === 'custom') topics.deliver({ peerId, topic, value: message.value });
      if (!topics.rulesOf(topic).isQuiet) events.emit('message:received', { peerId, topic, message });
    };
    return { verdict: 'accept', deliver };
  }
}

/** What is said of a message in the log: never what is in it. */
const about = ({ author, source, topic, data }: Incoming): LogFields => ({
  topic,
  peerId: author ?? source,
  receivedFrom: source,
  bytes: data.length,
});

/** Why a message of the network cannot be read. What a newer version says is no fault. */
function undecodable(error: unknown): DropReason {
  if (CodecError.is(error, 'TOO_LARGE')) return 'tooLarge';
  const isUnknown = CodecError.is(error, 'UNKNOWN_VARIANT') && error.data.fields.length > 0;
  return isUnknown ? 'unknownKind' : 'malformed';
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
