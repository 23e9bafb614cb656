import type { RPC } from '@libp2p/gossipsub/message';
import { WireError, WireReader } from './wire.ts';
import { WireMessage } from './wireMessage.ts';

/** One RPC of a neighbour. */
export interface WireRpc {
  readonly subscriptions: { readonly subscribe: boolean; readonly topic: string }[];
  readonly messages: WireMessage[];
  readonly control: RPC.ControlMessage | undefined;
}

/** The longest RPC that is read: what libp2p's own nodes read. */
export const maxRpcBytes = 4 * 1024 * 1024;
/** Topics in one RPC, and control messages of one kind. A neighbour may have 128 topics in all. */
const maxTopics = 1_024;
/** Messages in one RPC: as many as may be asked for at once. */
const maxMessages = 5_000;
/** Ids in one RPC: as many of the usual length as it has room for. */
const maxIds = 90_000;
/** The longest id: of a message by an author with the largest RSA key, of 8,192 bits. */
const maxIdBytes = 1_100;
/** Ids of what is not wanted are kept for some heartbeats: longer ones are not, for they only save a message. */
const maxKeptIdBytes = 256;

/**
 * Reads an RPC. Messages are read in place: they live as long as `frame`.
 * @throws {WireError} also when there is more in it than any honest node says
 */
export function decodeRpc(frame: Buffer): WireRpc {
  const reader = new WireReader(frame);
  const rpc = { subscriptions: [], messages: [], control: undefined } as Mutable<WireRpc>;
  const quota = { left: maxIds };
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    const field = tag >>> 3;
    if (field < 1 || field > 3) {
      reader.skip(tag);
      continue;
    }
    reader.expectBytes(tag);
    if (field === 1) {
      if (rpc.subscriptions.length >= maxTopics) throw new WireError('too many subscriptions');
      rpc.subscriptions.push(decodeSubscription(reader.nested()));
    } else if (field === 2) {
      if (rpc.messages.length >= maxMessages) throw new WireError('too many messages');
      rpc.messages.push(new WireMessage(reader.nested()));
    } else {
      rpc.control ??= { ihave: [], iwant: [], graft: [], prune: [], idontwant: [] };
      decodeControl(reader.nested(), rpc.control, quota);
    }
  }
  return rpc;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Quota {
  left: number;
}

function decodeSubscription(reader: WireReader): WireRpc['subscriptions'][number] {
  let [subscribe, topic] = [false, ''];
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === 0x08) subscribe = reader.varint() !== 0;
    else if (tag === 0x12) topic = reader.text();
    else reader.skip(tag);
  }
  return { subscribe, topic };
}

function decodeControl(reader: WireReader, control: RPC.ControlMessage, quota: Quota): void {
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    const field = tag >>> 3;
    if (field < 1 || field > 5) {
      reader.skip(tag);
      continue;
    }
    reader.expectBytes(tag);
    const kind = kinds[field - 1]!;
    if (control[kind].length >= maxTopics) throw new WireError(`too many control messages: ${kind}`);
    const value = reader.nested();
    if (kind === 'ihave') control.ihave.push(decodeIds(value, quota, 2));
    else if (kind === 'iwant') control.iwant.push(decodeIds(value, quota, 1));
    else if (kind === 'graft') control.graft.push(decodeIds(value, quota, 2));
    else if (kind === 'prune') control.prune.push(decodePrune(value));
    else control.idontwant.push(shortIds(decodeIds(value, quota, 1)));
  }
}

/** As they are numbered. */
const kinds = ['ihave', 'iwant', 'graft', 'prune', 'idontwant'] as const;

function shortIds({ messageIDs }: { readonly messageIDs: readonly Uint8Array[] }): RPC.ControlIDontWant {
  return { messageIDs: messageIDs.filter(({ length }) => length <= maxKeptIdBytes) };
}

/** A topic in field 1, where ids are in field 2; or ids alone, in field 1. */
function decodeIds(
  reader: WireReader,
  quota: Quota,
  idsField: 1 | 2,
): { topicID?: string; messageIDs: Uint8Array[] } {
  const value: { topicID?: string; messageIDs: Uint8Array[] } = { messageIDs: [] };
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    const field = tag >>> 3;
    if (field !== 1 && field !== idsField) {
      reader.skip(tag);
      continue;
    }
    reader.expectBytes(tag);
    if (field === idsField) {
      if (--quota.left < 0) throw new WireError('too many ids');
      const id = reader.bytes();
      if (id.length > maxIdBytes) throw new WireError(`an id of ${id.length} bytes`);
      value.messageIDs.push(id);
    } else value.topicID = reader.text();
  }
  return value;
}

/** Whom else to connect to is not read: it would be a stranger's word. */
function decodePrune(reader: WireReader): RPC.ControlPrune {
  const value: RPC.ControlPrune = { peers: [] };
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === 0x0a) value.topicID = reader.text();
    else if (tag === 0x18) value.backoff = reader.varint();
    else reader.skip(tag);
  }
  return value;
}
