import type { WireMessage } from './wireMessage.ts';

/** All messages that are kept for those who missed them, in bytes. */
export const maxCacheBytes = 64 * 1024 * 1024;
/** What is told can be asked for in this heartbeat and the next two: a neighbour whose question comes too late would blame us. */
const lastingHeartbeats = 2;
/** What a message takes beside its bytes, about. */
const entryBytes = 512;

interface Entry {
  readonly message: WireMessage;
  readonly topic: string;
  /** The heartbeat in which it came. */
  readonly heartbeat: number;
  /** How often each neighbour has asked for it. */
  asked: Map<string, number> | undefined;
}

/**
 * The messages of the last heartbeats, in the form that gossipsub asks for. Its own keeps any number; this one forgets the
 * oldest first. Only messages that are proven and judged come here.
 */
export class MessageCache {
  readonly msgs = new Map<string, Entry>();
  readonly notValidatedCount = 0;
  readonly #gossiped: number;
  readonly #maxBytes: number;
  /** Ids by heartbeat, the latest first, and topic: a question about one costs nothing for the others. */
  readonly #windows: Map<string, string[]>[];
  #heartbeat = 0;
  #bytes = 0;

  constructor(gossiped: number, kept: number, maxBytes: number = maxCacheBytes) {
    this.#gossiped = gossiped;
    this.#maxBytes = maxBytes;
    this.#windows = Array.from({ length: kept }, () => new Map<string, string[]>());
  }

  get size(): number {
    return this.msgs.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  put({ msgIdStr }: { readonly msgIdStr: string }, message: WireMessage): boolean {
    if (this.msgs.has(msgIdStr)) return false;
    const { topic } = message;
    this.msgs.set(msgIdStr, { message, topic, heartbeat: this.#heartbeat, asked: undefined });
    const [latest] = this.#windows;
    const ids = latest!.get(topic);
    if (ids === undefined) latest!.set(topic, [msgIdStr]);
    else ids.push(msgIdStr);
    this.#bytes += message.frame.length + entryBytes;
    while (this.#bytes > this.#maxBytes) {
      const [oldest] = this.msgs.keys();
      if (oldest === undefined || oldest === msgIdStr) break;
      this.#forget(oldest);
    }
    return true;
  }

  get(id: Uint8Array): WireMessage | undefined {
    return this.msgs.get(idText(id))?.message;
  }

  getWithIWantCount(id: string, peerId: string): { msg: WireMessage; count: number } | null {
    const entry = this.msgs.get(id);
    if (entry === undefined) return null;
    entry.asked ??= new Map();
    const count = (entry.asked.get(peerId) ?? 0) + 1;
    entry.asked.set(peerId, count);
    return { msg: entry.message, count };
  }

  getGossipIDs(topics: ReadonlySet<string>): Map<string, Uint8Array[]> {
    const ids = new Map<string, Uint8Array[]>();
    for (const window of this.#windows.slice(0, this.#gossiped)) {
      for (const [topic, inWindow] of window) {
        if (!topics.has(topic)) continue;
        const kept = inWindow.filter((id) => this.msgs.has(id)).map(idBytes);
        const known = ids.get(topic);
        if (known !== undefined) ids.set(topic, known.concat(kept));
        else if (kept.length > 0) ids.set(topic, kept);
      }
    }
    return ids;
  }

  /** Whether there is anything of a topic. */
  has(topic: string): boolean {
    return this.#windows.some((window) => window.has(topic));
  }

  /** The messages of a topic that stay for a while, the latest first, down to one that is known. */
  latest(topic: string, limit: number, known?: string): string[] {
    const ids: string[] = [];
    for (const window of this.#windows.slice(0, -lastingHeartbeats)) {
      for (const id of (window.get(topic) ?? []).toReversed()) {
        if (id === known || ids.length === limit) return ids;
        if (this.msgs.has(id)) ids.push(id);
      }
    }
    return ids;
  }

  /** Whether a message is there, and stays for a while. */
  isLasting(id: string): boolean {
    const entry = this.msgs.get(id);
    return (
      entry !== undefined && this.#heartbeat - entry.heartbeat < this.#windows.length - lastingHeartbeats
    );
  }

  shift(): void {
    for (const ids of this.#windows.pop()?.values() ?? []) for (const id of ids) this.#forget(id);
    this.#windows.unshift(new Map());
    this.#heartbeat++;
  }

  /** Nothing waits here for a verdict. */
  observeDuplicate(): void {
    // Who else has a message is kept with the message.
  }

  validate(id: string): { message: WireMessage; originatingPeers: Set<string> } | null {
    const entry = this.msgs.get(id);
    return entry === undefined ? null : { message: entry.message, originatingPeers: new Set() };
  }

  remove(id: string): { message: WireMessage; originatingPeers: Set<string> } | null {
    const record = this.validate(id);
    this.#forget(id);
    return record;
  }

  clear(): void {
    this.msgs.clear();
    this.#bytes = 0;
    for (const window of this.#windows) window.clear();
  }

  #forget(id: string): void {
    const entry = this.msgs.get(id);
    if (entry === undefined) return;
    this.msgs.delete(id);
    this.#bytes -= entry.message.frame.length + entryBytes;
  }
}

/** A message id as gossipsub keeps it: one character a byte, which is the quickest of all texts to make. */
export function idText(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1');
}

/** And back. */
export function idBytes(id: string): Uint8Array {
  return Buffer.from(id, 'latin1');
}
