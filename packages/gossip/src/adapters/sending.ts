import { createHash } from 'node:crypto';
import { publicKeyToProtobuf } from '@libp2p/crypto/keys';
import { RPC } from '@libp2p/gossipsub/message';
import type { PeerId, PrivateKey } from '@libp2p/interface';
import type { Clock } from '@lloom/core';
import type { ResolvedConfig } from '../config.ts';
import type { MessageKeys } from '../ports.ts';
import type { Internals, OutgoingRpc, PublishOpts } from './internals.ts';
import { idText } from './messageCache.ts';
import { nodeKeys } from './nodeKeys.ts';
import { Outbox } from './outbox.ts';
import { bytesToSign, messageOf, type MessageParts, type WireMessage } from './wireMessage.ts';

/** Who sends, and how. */
export interface SendingConfig {
  readonly peerId: PeerId;
  readonly privateKey: PrivateKey;
  readonly config: ResolvedConfig;
  readonly ports: { readonly clock: Clock; readonly keys: MessageKeys | undefined };
}

/** What was published, and to whom. */
export interface Published {
  readonly id: string;
  readonly recipients: readonly string[];
}

const nanoseconds = 1_000_000n;
/** Ids that are told in one RPC: what a neighbour reads of it. */
const maxTold = 5_000;

/** Sends RPCs and messages: each message encoded once for all. In place of gossipsub's own `sendRpc`, `forwardMessage` and `publish`. */
export class Sending {
  readonly #gossipsub: Internals;
  readonly #setup: SendingConfig;
  readonly #sign: (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>;
  readonly #from: Uint8Array;
  readonly #key: Uint8Array;
  readonly #keyText: string;
  #number = 0n;

  constructor(gossipsub: Internals, setup: SendingConfig) {
    const { privateKey, peerId, ports } = setup;
    this.#gossipsub = gossipsub;
    this.#setup = setup;
    const fast = ports.keys?.signerOf(privateKey) ?? nodeKeys.signerOf(privateKey);
    this.#sign = fast ?? ((bytes) => privateKey.sign(bytes));
    this.#from = peerId.toMultihash().bytes;
    this.#key = publicKeyToProtobuf(privateKey.publicKey);
    this.#keyText = idText(this.#key);
    gossipsub.sendRpc = (id, rpc) => this.#sendRpc(id, rpc);
    gossipsub.forwardMessage = (...args) => this.#forwardAsStock(...args);
    gossipsub.publish = (topic, data, opts) => this.#publishAsStock(topic, data, opts);
  }

  /** The own peer id as messages have it, one character a byte. */
  get authorKey(): string {
    return idText(this.#from);
  }

  /** Signs a message and hands it to everybody who is subscribed. When there is nobody, nothing is remembered. */
  async publish(topic: string, data: Uint8Array, opts: PublishOpts = {}): Promise<Published> {
    const gossipsub = this.#gossipsub;
    const outboxes = this.#outboxes(gossipsub.selectPeersToPublish(topic, opts.floodPublish).tosend);
    if (outboxes.length === 0 && opts.allowPublishToZeroTopicPeers !== true)
      return { id: '', recipients: [] };
    const made = this.#make(topic, data);
    const { id, message } = made instanceof Promise ? await made : made;
    if (gossipsub.seenCache.has(id)) throw new Error('PublishError.Duplicate');
    gossipsub.seenCache.put(id);
    gossipsub.mcache.put({ msgIdStr: id }, message);
    for (const [, outbox] of outboxes) outbox.message(message);
    return { id, recipients: outboxes.map(([peerId]) => peerId) };
  }

  /** Passes a message on to the mesh, but for those who have it. */
  forward(
    id: string,
    message: WireMessage,
    known: { readonly source: string; readonly author: string | undefined },
  ): void {
    const gossipsub = this.#gossipsub;
    const { topic } = message;
    const mesh =
      gossipsub.direct.size > 0 ? gossipsub.selectPeersToForward(topic) : gossipsub.mesh.get(topic);
    if (mesh === undefined) return;
    for (const peerId of mesh) {
      if (peerId === known.source || peerId === known.author || message.holders?.has(peerId) === true)
        continue;
      if (gossipsub.idontwants.get(peerId)?.has(id) === true) continue;
      const outbox = gossipsub.streamsOutbound.get(peerId);
      if (outbox instanceof Outbox) outbox.message(message);
    }
  }

  #make(topic: string, data: Uint8Array): Made | Promise<Made> {
    if (this.#setup.config.validationMode === 'anonymous') {
      const message = messageOf({ topic, data });
      return { message, id: createHash('sha256').update(data).digest('binary') };
    }
    const seqno = this.#nextNumber();
    const parts = { topic, data, from: this.#from, seqno };
    const signature = this.#sign(bytesToSign(parts));
    const id = this.#keyText + idText(seqno);
    const finish = (signed: Uint8Array): Made => ({ id, message: this.#signed(parts, signed) });
    return signature instanceof Promise ? signature.then(finish) : finish(signature);
  }

  #signed(parts: MessageParts, signature: Uint8Array): WireMessage {
    return messageOf({ ...parts, signature, key: this.#key });
  }

  /** Grows by one, from the time in nanoseconds: above every number of an earlier start. */
  #nextNumber(): Uint8Array {
    const now = BigInt(Math.trunc(this.#setup.ports.clock.now())) * nanoseconds;
    this.#number = this.#number === 0n ? now : this.#number + 1n;
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(this.#number);
    return bytes;
  }

  #outboxes(peerIds: Iterable<string>): (readonly [peerId: string, outbox: Outbox])[] {
    const outboxes: (readonly [string, Outbox])[] = [];
    for (const peerId of peerIds) {
      const outbox = this.#gossipsub.streamsOutbound.get(peerId);
      if (outbox instanceof Outbox) outboxes.push([peerId, outbox]);
    }
    return outboxes;
  }

  async #publishAsStock(
    topic: string,
    data: Uint8Array,
    opts?: PublishOpts,
  ): Promise<{ recipients: PeerId[] }> {
    if (!this.#gossipsub.isStarted()) throw new Error('PublishError.Uninitialized');
    const limit = this.#setup.config.maxMessageBytes;
    if (data.byteLength > limit)
      throw new Error(`PublishError.TooLarge: ${data.byteLength} bytes, at most ${limit}`);
    const { id, recipients } = await this.publish(topic, data, opts);
    if (id === '') throw new Error('PublishError.NoPeersSubscribedToTopic');
    return { recipients: recipients.flatMap((peerId) => this.#gossipsub.peers.get(peerId) ?? []) };
  }

  #forwardAsStock(...[id, message, source, exclude]: Parameters<Internals['forwardMessage']>): void {
    for (const peerId of exclude ?? []) (message.holders ??= new Set()).add(peerId);
    this.forward(id, message, { source: source ?? '', author: undefined });
  }

  /** Messages leave one by one, so that no RPC is larger than what is read, and control messages by themselves. */
  #sendRpc(id: string, rpc: OutgoingRpc): boolean {
    const gossipsub = this.#gossipsub;
    const outbox = gossipsub.streamsOutbound.get(id);
    if (!(outbox instanceof Outbox)) return false;
    this.#piggyback(id, rpc, outbox);
    // What was asked for is sent as far as there is room: it can be asked for again.
    for (const message of rpc.messages) if (!outbox.isFull) outbox.answer(message);
    const { subscriptions, control } = rpc;
    if (subscriptions.length > 0) outbox.push(RPC.encode({ subscriptions, messages: [] }));
    if (control === undefined) return true;
    const { graft, prune, ihave, iwant, idontwant } = control;
    if (graft.length > 0 || prune.length > 0) outbox.push(encodeControl({ ...none, graft, prune }));
    const hasHearsay = ihave.length > 0 || iwant.length > 0 || idontwant.length > 0;
    // What was not asked for is not a promise that somebody could break.
    const isTaken = !hasHearsay || outbox.hearsay(encodeControl({ ...none, ihave, iwant, idontwant }));
    // It is told once: when the neighbour does not read now, with the next that it is sent.
    // Not given back to gossipsub, which would try again for ever within one heartbeat.
    if (!isTaken) outbox.untold = ihave;
    for (const { topicID } of graft) this.#tell('gossipsub:graft', id, topicID);
    for (const { topicID } of prune) this.#tell('gossipsub:prune', id, topicID);
    return isTaken;
  }

  #piggyback(id: string, rpc: OutgoingRpc, outbox: Outbox): void {
    const { control, gossip } = this.#gossipsub;
    const waiting = control.get(id);
    if (waiting !== undefined) this.#gossipsub.piggybackControl(id, rpc, waiting);
    const untold = [...outbox.untold, ...(gossip.get(id) ?? [])];
    if (untold.length > 0)
      rpc.control = { ...(rpc.control ?? none), ihave: this.#joined(untold, rpc.control?.ihave ?? []) };
    outbox.untold = [];
    control.delete(id);
    gossip.delete(id);
  }

  /** What has waited and what is new, a list a topic: the latest ids of those that can still be asked for. */
  #joined(waiting: readonly RPC.ControlIHave[], fresh: readonly RPC.ControlIHave[]): RPC.ControlIHave[] {
    const topics = new Map<string, Map<string, Uint8Array>>();
    let left = maxTold;
    for (const { topicID = '', messageIDs } of [...waiting, ...fresh].toReversed()) {
      const ids = topics.get(topicID) ?? new Map<string, Uint8Array>();
      topics.set(topicID, ids);
      for (const id of messageIDs) {
        const key = idText(id);
        if (left === 0 || ids.has(key) || !this.#gossipsub.mcache.isLasting(key)) continue;
        ids.set(key, id);
        left--;
      }
    }
    return [...topics].flatMap(([topicID, ids]) =>
      ids.size === 0 ? [] : [{ topicID, messageIDs: [...ids.values()] }],
    );
  }

  #tell(type: 'gossipsub:graft' | 'gossipsub:prune', peerId: string, topic: string | undefined): void {
    if (topic === undefined) return;
    this.#gossipsub.safeDispatchEvent(type, { detail: { peerId, topic, direction: 'outbound' } });
  }
}

interface Made {
  readonly id: string;
  readonly message: WireMessage;
}

const none: RPC.ControlMessage = { graft: [], prune: [], ihave: [], iwant: [], idontwant: [] };
const encodeControl = (control: RPC.ControlMessage): Uint8Array =>
  RPC.encode({ subscriptions: [], messages: [], control });
