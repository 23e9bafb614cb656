import type { GossipMessage } from '@lloom/codec';
import { EventHub } from '@lloom/core';
import type { Gossip } from './api.ts';
import { GossipError } from './errors.ts';
import { resolveMessages, resolveTopic, topicName, type ResolvedTopic } from './internal/given.ts';
import { Values, type ValueEvents } from './internal/values.ts';
import { GossipTopic, type Topic, type TopicMessage, type TopicValidator } from './types.ts';

/** A kind of message of the network. */
export type Kind = GossipMessage['type'];

/** Which kinds belong to which topic of the network. */
const networkKinds: ReadonlyMap<string, ReadonlySet<Kind>> = new Map([
  [GossipTopic.ExecutorAnnouncements, new Set<Kind>(['executorAvailable', 'executorOffline'])],
  [GossipTopic.NetworkStatus, new Set<Kind>(['networkMetrics'])],
  [GossipTopic.PriceUpdates, new Set<Kind>(['priceUpdate'])],
]);

/** How the values of a topic that is not the network's are written, read and judged. */
export interface CustomRules {
  encode(value: unknown): Uint8Array;
  decode(bytes: Uint8Array): unknown;
  readonly validate: TopicValidator<unknown> | undefined;
  /** Whether its messages are no events. */
  readonly isQuiet: boolean;
  /** Whether the validator has ever given a promise. */
  mayWait: boolean;
}

/** Topics without a codec carry bytes. */
const bytesOnly = {
  encode: (value: unknown): Uint8Array => value as Uint8Array,
  decode: (bytes: Uint8Array): unknown => bytes,
};
const plainRules: CustomRules = { ...bytesOnly, validate: undefined, isQuiet: false, mayWait: false };

interface Created {
  readonly given: ResolvedTopic;
  readonly topic: Topic<unknown>;
  readonly rules: CustomRules;
  readonly readers: EventHub<ValueEvents>;
}

/** What topics of one's own do through the service. */
export interface TopicsPorts {
  readonly service: Pick<Gossip, 'subscribeTopic' | 'unsubscribeTopic' | 'publishMessage'>;
  /** Why the topic cannot be read now. */
  readonly unreadable: (topic: string) => GossipError | undefined;
  readonly onError: (text: string, error: unknown) => void;
}

/** Knows of each topic what belongs there: those of the network, those of one's own, and bytes on any other. */
export class Topics {
  readonly #ports: TopicsPorts;
  readonly #created = new Map<string, Created>();

  constructor(ports: TopicsPorts) {
    this.#ports = ports;
  }

  /** The kinds that belong to a topic of the network; `undefined` for all others. */
  kindsOf(topic: string): ReadonlySet<Kind> | undefined {
    return networkKinds.get(topic);
  }

  /** How the values of any other topic are read. */
  rulesOf(topic: string): CustomRules {
    return this.#created.get(topic)?.rules ?? plainRules;
  }

  /**
   * A topic of one's own; the same one for the same call.
   * @throws {GossipError} `INVALID_TOPIC`, `TOPIC_EXISTS`
   * @throws {ConfigError} when the codec or the validator is none
   */
  create(given: unknown, config: unknown): Topic<unknown> {
    const name = typeof given === 'string' ? topicName(given) : topicName(undefined);
    const resolved = resolveTopic(config);
    const present = this.#created.get(name);
    if (networkKinds.has(name) || (present !== undefined && !isSame(present.given, resolved)))
      throw new GossipError('TOPIC_EXISTS', { topic: name });
    if (present !== undefined) return present.topic;
    const { codec, encode, decode, validate, isQuiet } = resolved;
    const readers = new EventHub<ValueEvents>((error) => this.#ports.onError('a reader failed', error));
    const coding =
      encode === undefined || decode === undefined
        ? bytesOnly
        : {
            encode: (value: unknown) => encode.call(codec, value),
            decode: (bytes: Uint8Array) => decode.call(codec, bytes),
          };
    const rules = { ...coding, validate, isQuiet, mayWait: false };
    const created = { given: resolved, readers, rules, topic: this.#topicOf(name, readers) };
    this.#created.set(name, created);
    return created.topic;
  }

  /** A value came: its readers get it. */
  deliver(message: TopicMessage<unknown>): void {
    this.#created.get(message.topic)?.readers.emit('value', { message });
  }

  /** Ends every iteration over a topic. */
  close(topic: string): void {
    this.#created.get(topic)?.readers.close();
  }

  /** Ends every iteration. */
  closeAll(): void {
    for (const { readers } of this.#created.values()) readers.close();
  }

  #topicOf(name: string, readers: EventHub<ValueEvents>): Topic<unknown> {
    const { service, unreadable } = this.#ports;
    const topic: Topic<unknown> = {
      name,
      subscribe: () => service.subscribeTopic(name),
      unsubscribe: () => service.unsubscribeTopic(name),
      publish: (value, config) => service.publishMessage(topic, value, config),
      messages: (config) => {
        const resolved = resolveMessages(config);
        const problem = unreadable(name);
        if (problem !== undefined) throw problem;
        return new Values(readers.events(resolved));
      },
    };
    return Object.freeze(topic);
  }
}

/** Whether two topics are made alike. Functions that a codec inherits may differ by what it holds. */
function isSame(a: ResolvedTopic, b: ResolvedTopic): boolean {
  if (a.validate !== b.validate || a.isQuiet !== b.isQuiet) return false;
  if (a.codec === b.codec) return true;
  const own = (codec: object | undefined): boolean =>
    codec !== undefined && Object.hasOwn(codec, 'encode') && Object.hasOwn(codec, 'decode');
  return a.encode === b.encode && a.decode === b.decode && own(a.codec) && own(b.codec);
}
