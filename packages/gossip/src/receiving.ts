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
import type { Incoming, Judgement, PeerFact } from './ports.ts';
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
      if (!this.#authors.mayHandOver(source)) return this.drop(source, 'tooMany');
      const known = author === undefined ? undefined : this.#authors.of(author, topic);
      // What an author hands over itself is its own doing, and counts at once, whatever it is. What others hand over may be a
      // replay: that counts only when it turns out to be new, or anybody could use up what the author may say.
      const isCounted = author === source;
      if (isCounted && known !== undefined && !this.#authors.maySay(known)) return this.#tooMany(source);
      if (message.data.length > this.#ports.config.maxMessageBytes) return this.drop(source, 'tooLarge');
      const { topics } = this.#ports;
      const kinds = topics.kindsOf(topic);
      if (kinds !== undefined) return this.#judgeKind(message, kinds, known);
      if (known !== undefined && sequenceNumber !== undefined) {
        const problem = this.#authors.admit(known, sequenceNumber, { isTimed: false, isCounted });
        if (problem !== undefined) return this.drop(source, problem);
      }
      return this.#judgeValue(message, topics.rulesOf(topic));
    } catch (error) {
      return this.#unjudged(message, error);
    }
  }

  /** Counts a message that is dropped, and says what becomes of it. */
  drop(source: string, reason: DropReason): Refusal {
    const { counts, reports, alarms } = this.#ports;
    counts.drop(reason);
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
  #tooMany(author: string): Judgement {
    const { demerits, reports } = this.#ports;
    if (demerits.note(author)) reports.tell(author, 'FLOOD');
    return this.drop(author, 'tooMany');
  }

  #judgeKind(message: Incoming, kinds: ReadonlySet<Kind>, known: Author | undefined): Judgement {
    const { author, source, data } = message;
    let content: GossipMessage;
    try {
      content = decodeGossipMessage(data);
    } catch (error) {
      return this.drop(source, undecodable(error));
    }
    if (!kinds.has(content.type)) return this.drop(source, 'malformed');
    if (author !== undefined && 'peerId' in content && content.peerId !== author)
      return this.drop(source, 'impostor');
    if (!this.#isFresh(content.timestampMs, author)) return this.drop(source, 'stale');
    if (known !== undefined) {
      const seen = { isTimed: true, isCounted: author === source };
      const problem = this.#authors.admit(known, content.sequence, seen);
      if (problem !== undefined) return this.drop(source, problem);
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
      return this.drop(source, 'malformed');
    }
    if (isThenable(value)) {
      Promise.resolve(value).catch(() => undefined);
      throw new Error('the codec gave a promise');
    }
    const { validate } = rules;
    if (validate === undefined) return this.#accept(message, { type: 'custom', value });
    if (rules.mayWait && !this.#validations.hasRoom(source)) return this.drop(source, 'overload');
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
    return this.drop(message.source, verdict === 'reject' ? 'rejected' : 'ignored');
  }

  #unjudged({ source, topic }: Incoming, error: unknown): Judgement {
    this.#ports.router.logError(`a message of topic "${topic}" could not be judged`, error);
    return this.drop(source, 'unjudged');
  }

  #accept(
    { author, source, topic }: Incoming,
    message: GossipMessage | { readonly type: 'custom'; readonly value: unknown },
  ): Judgement {
    const { counts, events, isRead, topics } = this.#ports;
    counts.accept(topic);
    const peerId = author ?? source;
    const deliver = (): void => {
      if (!isRead(topic)) return;
      if (message.type === 'custom') topics.deliver({ peerId, topic, value: message.value });
      if (!topics.rulesOf(topic).isQuiet) events.emit('message:received', { peerId, topic, message });
    };
    return { verdict: 'accept', deliver };
  }
}

/** Why a message of the network cannot be read. What a newer version says is no fault. */
function undecodable(error: unknown): DropReason {
  if (CodecError.is(error, 'TOO_LARGE')) return 'tooLarge';
  const isUnknown = CodecError.is(error, 'UNKNOWN_VARIANT') && error.data.fields.length > 0;
  return isUnknown ? 'unknownKind' : 'malformed';
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
