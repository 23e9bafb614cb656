import { createHash } from 'node:crypto';
import type { GossipsubMessage, Message } from '@libp2p/gossipsub';
import type { ResolvedConfig } from '../config.ts';
import type { Incoming, Judgement, RouterWatcher } from '../ports.ts';
import type { Verdict } from '../types.ts';
import type { Author, Authors } from './authors.ts';
import type { Internals } from './internals.ts';
import { idBytes, idText } from './messageCache.ts';
import type { Sending } from './sending.ts';
import type { WireMessage } from './wireMessage.ts';

/** What receiving is made of. */
export interface ReceivingParts {
  readonly config: Pick<ResolvedConfig, 'validationMode' | 'maxMessageBytes'>;
  readonly authors: Authors;
  readonly sending: Pick<Sending, 'forward' | 'authorKey'>;
  readonly watcher: () => RouterWatcher | undefined;
  readonly onError: (text: string, error: unknown) => void;
}

/** A copy of a message whose signature is being verified, of another neighbour. */
interface Copy {
  readonly source: string;
  readonly message: WireMessage;
}

/** A message that is proven, as far as it has to be. */
interface Proven {
  readonly id: string;
  readonly source: string;
  readonly message: WireMessage;
  readonly author: Author | undefined;
}

/** All of a message but its data. The largest RSA key and its signature take half of it. */
const maxOverhead = 4_096;
/** Longer than any peer id. */
const maxFromBytes = 128;
const maxCopies = 64;
const ignored: Judgement = { verdict: 'ignore' };

/** What becomes of a message: in place of gossipsub's own `handleReceivedMessage`. Cheap questions come first. */
export class Receiving {
  readonly #gossipsub: Internals;
  readonly #parts: ReceivingParts;
  readonly #own: string;
  /** Being verified, by id; with what came meanwhile. */
  #duplicates = 0;
  readonly #verifying = new Map<string, Copy[]>();
  /** Being judged, by id. */
  readonly #judging = new Map<string, WireMessage>();

  constructor(gossipsub: Internals, parts: ReceivingParts) {
    this.#gossipsub = gossipsub;
    this.#parts = parts;
    this.#own = parts.sending.authorKey;
  }

  /** Takes a message. A promise when it waits for a proof or a verdict: it never rejects. */
  receive(source: string, message: WireMessage): Promise<void> | undefined {
    const { topic, dataLength } = message;
    if (!this.#gossipsub.subscriptions.has(topic)) return undefined;
    const { validationMode, maxMessageBytes } = this.#parts.config;
    if (dataLength > maxMessageBytes) return this.#blame(source, topic, 'tooLarge');
    if (message.overhead > maxOverhead) return this.#blame(source, topic, 'malformed');
    if (validationMode === 'anonymous')
      return message.isBare
        ? this.#receiveUnsigned(source, message)
        : this.#blame(source, topic, 'malformed');
    if (message.hasSignature && message.isNumbered) return this.#receiveSigned(source, message);
    const mustBeProven =
      validationMode === 'strict' || (validationMode === 'permissive' && message.hasSignature);
    return mustBeProven ? this.#blame(source, topic, 'malformed') : this.#receiveUnsigned(source, message);
  }

  /** How many copies came of messages that were here already. */
  get duplicates(): number {
    return this.#duplicates;
  }

  stop(): void {
    this.#verifying.clear();
    this.#judging.clear();
  }

  #receiveUnsigned(source: string, message: WireMessage): Promise<void> | undefined {
    const id = createHash('sha256').update(message.data).digest('binary');
    if (this.#gossipsub.seenCache.has(id)) return this.#duplicate(source, id);
    return this.#accept({ id, source, message, author: undefined });
  }

  /** The key of an author whose name is only a hash of it. It comes with the message, and has to be the one. */
  #hashedKey(authorKey: string, message: WireMessage): string | undefined {
    const author = this.#parts.authors.of(authorKey, message);
    return author === undefined ? undefined : idText(author.keyBytes);
  }

  #receiveSigned(source: string, message: WireMessage): Promise<void> | undefined {
    const { authorKey } = message;
    if (authorKey.length > maxFromBytes) return this.#blame(source, message.topic, 'malformed');
    const key = message.inlineKey ?? this.#hashedKey(authorKey, message);
    if (key === undefined) return this.#unproven({ source, message });
    // An unproven message is never remembered by this: it would keep the true one out.
    const id = key + message.sequenceKey;
    if (this.#gossipsub.seenCache.has(id)) return this.#duplicate(source, id);
    if (authorKey === this.#own) {
      // Forgotten since: whoever was asked for it has given it.
      this.#gossipsub.gossipTracer.deliverMessage(id, true);
      return undefined;
    }
    const copies = this.#verifying.get(id);
    if (copies !== undefined) {
      if (copies.length >= maxCopies || copies.some((copy) => copy.source === source)) return undefined;
      message.own();
      copies.push({ source, message });
      return undefined;
    }
    return this.#prove(id, { source, message });
  }

  #prove(id: string, { source, message }: Copy): Promise<void> | undefined {
    const author = this.#parts.authors.of(message.authorKey, message);
    const { signature } = message;
    if (author === undefined || signature === undefined) return this.#unproven({ source, message });
    const result = author.verify(message.signedBytes(), signature);
    if (result === true) return this.#accept({ id, source, message, author });
    if (result === false) return this.#unproven({ source, message });
    const copies: Copy[] = [];
    this.#verifying.set(id, copies);
    return result.then((isValid) => {
      if (this.#verifying.get(id) === copies) this.#verifying.delete(id);
      if (!this.#gossipsub.isStarted()) return undefined;
      const judged = isValid
        ? this.#accept({ id, source, message, author })
        : this.#unproven({ source, message });
      // Each of them is a copy of the proven one now, or has its own chance: the first may have been forged.
      for (const copy of copies) void this.receive(copy.source, copy.message);
      return judged;
    });
  }

  /** Its signature is of nobody, or of somebody else. */
  #unproven({ source, message }: Copy): Promise<void> | undefined {
    if (this.#parts.config.validationMode === 'none') return this.#receiveUnsigned(source, message);
    return this.#blame(source, message.topic, 'malformed');
  }

  #accept(proven: Proven): Promise<void> | undefined {
    const gossipsub = this.#gossipsub;
    const { id, source, message, author } = proven;
    const { topic } = message;
    message.own();
    gossipsub.seenCache.put(id);
    // A promise to send it is kept, whatever it is worth.
    gossipsub.gossipTracer.deliverMessage(id);
    gossipsub.score.validateMessage(id);
    if (message.dataLength >= gossipsub.opts.idontwantMinDataSize)
      gossipsub.sendIDontWants(idBytes(id), topic, source);
    const judgement = this.#judge(proven, {
      topic,
      // Whoever gets it may change it, and what is passed on stays.
      data: new Uint8Array(message.data),
      author: author?.id,
      source,
      sequenceNumber: author === undefined ? undefined : message.sequenceNumber,
    });
    if (!(judgement instanceof Promise)) {
      this.#settle(proven, judgement);
      return undefined;
    }
    this.#judging.set(id, message);
    return judgement.then(
      (settled) => this.#settle(proven, settled),
      () => this.#settle(proven, ignored),
    );
  }

  #judge(proven: Proven, incoming: Incoming): Judgement | Promise<Judgement> {
    const watcher = this.#parts.watcher();
    if (watcher === undefined) return ignored;
    const validators = this.#gossipsub.topicValidators;
    const validate = validators.size === 0 ? undefined : validators.get(incoming.topic);
    try {
      if (validate === undefined) return watcher.judge(incoming);
    } catch (error) {
      this.#parts.onError('a verdict failed', error);
      return ignored;
    }
    // Of a user of the raw service.
    return Promise.resolve()
      .then(() => validate(this.#peerIdOf(incoming.source), toMessage(proven)))
      .then((verdict: Verdict) => (verdict === 'accept' ? watcher.judge(incoming) : { verdict }));
  }

  #settle(proven: Proven, { verdict, deliver }: Judgement): void {
    const gossipsub = this.#gossipsub;
    const { id, source, message, author } = proven;
    const { topic } = message;
    this.#judging.delete(id);
    if (!gossipsub.isStarted()) return;
    if (verdict !== 'accept') {
      gossipsub.score.rejectMessage(source, id, topic, verdict);
      gossipsub.gossipTracer.rejectMessage(id, verdict);
      return;
    }
    gossipsub.score.deliverMessage(source, id, topic);
    gossipsub.mcache.put({ msgIdStr: id }, message);
    this.#parts.sending.forward(id, message, { source, author: author?.id });
    this.#dispatch(proven);
    deliver?.();
  }

  #dispatch(proven: Proven): void {
    const gossipsub = this.#gossipsub;
    const hasDetailed = gossipsub.listenerCount('gossipsub:message') > 0;
    const hasPlain = gossipsub.listenerCount('message') > 0;
    if (!hasDetailed && !hasPlain) return;
    const msg = toMessage(proven);
    const propagationSource = this.#peerIdOf(proven.source);
    const detail: GossipsubMessage = { propagationSource, msgId: proven.id, msg };
    if (hasDetailed) gossipsub.safeDispatchEvent('gossipsub:message', { detail });
    if (hasPlain) gossipsub.safeDispatchEvent('message', { detail: msg });
  }

  #peerIdOf(source: string) {
    const peerId = this.#gossipsub.peers.get(source);
    if (peerId === undefined) throw new Error('the neighbour has left');
    return peerId;
  }

  /** Nobody is blamed for a copy: it may be another message, which its author has given the same number. */
  #duplicate(source: string, id: string): undefined {
    this.#duplicates += 1;
    const gossipsub = this.#gossipsub;
    gossipsub.gossipTracer.deliverMessage(id, true);
    const message = this.#judging.get(id) ?? gossipsub.mcache.msgs.get(id)?.message;
    if (message === undefined || (message.queued === 0 && !this.#judging.has(id))) return;
    (message.holders ??= new Set()).add(source);
  }

  #blame(source: string, topic: string, reason: 'tooLarge' | 'malformed'): undefined {
    this.#gossipsub.score.rejectInvalidMessage(source, topic);
    this.#parts.watcher()?.onDropped(source, reason);
  }
}

function toMessage({ message, author }: Proven): Message {
  const { topic } = message;
  const data = new Uint8Array(message.data);
  if (author === undefined) return { type: 'unsigned', topic, data };
  const { peerId: from, publicKey: key } = author;
  const signature = message.signature ?? new Uint8Array(0);
  return { type: 'signed', from, topic, data, sequenceNumber: message.sequenceNumber, signature, key };
}
