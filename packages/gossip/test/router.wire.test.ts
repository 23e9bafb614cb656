import { RPC } from '@libp2p/gossipsub/message';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Frames } from '../src/adapters/frames.ts';
import { WireError, WireReader } from '../src/adapters/wire.ts';
import { encodeMessage, messageOf, WireMessage } from '../src/adapters/wireMessage.ts';
import { decodeRpc } from '../src/adapters/wireRpc.ts';
import { framed } from './wirePeer.ts';

const blob = fc.uint8Array({ maxLength: 200 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const message = fc.record({
  topic: fc.string({ minLength: 1, maxLength: 20 }),
  data: maybe(blob),
  from: maybe(blob),
  seqno: maybe(blob),
  signature: maybe(blob),
  key: maybe(blob),
});
const ids = fc.array(blob, { maxLength: 4 });
const topicID = fc.string({ maxLength: 10 });
const rpc = fc.record({
  subscriptions: fc.array(fc.record({ subscribe: fc.boolean(), topic: topicID }), { maxLength: 4 }),
  messages: fc.array(message, { maxLength: 4 }),
  control: maybe(
    fc.record({
      ihave: fc.array(fc.record({ topicID, messageIDs: ids }), { maxLength: 3 }),
      iwant: fc.array(fc.record({ messageIDs: ids }), { maxLength: 3 }),
      graft: fc.array(fc.record({ topicID }), { maxLength: 3 }),
      prune: fc.array(fc.record({ topicID, backoff: fc.nat(100_000), peers: fc.constant([]) }), {
        maxLength: 3,
      }),
      idontwant: fc.array(fc.record({ messageIDs: ids }), { maxLength: 3 }),
    }),
  ),
});

/** As gossipsub does. Its types know no field that is there and undefined. */
const encodeRpc = (value: object): Uint8Array => RPC.encode(value as RPC);

const plain = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString('hex');
const partsOf = ({ topic, data, from, seqno, signature, key }: Parameters<typeof encodeMessage>[0]) => [
  topic,
  plain(data ?? new Uint8Array(0)),
  ...[from, seqno, signature, key].map(plain),
];
const idsOf = (list: readonly { messageIDs?: Uint8Array[]; topicID?: string }[]) =>
  list.map((value) => [value.topicID ?? '', (value.messageIDs ?? []).map(plain)]);

describe('an RPC', () => {
  test('is read as gossipsub reads it', () => {
    fc.assert(
      fc.property(rpc, (value) => {
        const bytes = Buffer.from(encodeRpc(value));
        const [ours, stock] = [decodeRpc(bytes), RPC.decode(bytes)];
        expect(ours.subscriptions.map(({ subscribe, topic }) => [subscribe, topic])).toEqual(
          stock.subscriptions.map(({ subscribe, topic }) => [subscribe ?? false, topic ?? '']),
        );
        expect(ours.messages.map(partsOf)).toEqual(
          stock.messages.map((parts) => partsOf({ ...parts, data: parts.data })),
        );
        expect(ours.control === undefined).toBe(stock.control === undefined);
        for (const kind of ['ihave', 'iwant', 'graft', 'idontwant'] as const)
          expect(idsOf(ours.control?.[kind] ?? [])).toEqual(idsOf(stock.control?.[kind] ?? []));
        expect(ours.control?.prune.map(({ topicID: topic, backoff }) => [topic ?? '', backoff ?? 0])).toEqual(
          stock.control?.prune.map(({ topicID: topic, backoff }) => [topic ?? '', backoff ?? 0]),
        );
      }),
      { numRuns: 300 },
    );
  });

  test('of any bytes is read or refused, and never anything else', () => {
    const isRead = (bytes: Buffer): boolean => {
      try {
        for (const { data, from, sequenceKey } of decodeRpc(bytes).messages) void [data, from, sequenceKey];
        return true;
      } catch (error) {
        return error instanceof WireError;
      }
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => isRead(Buffer.from(bytes))),
      { numRuns: 2_000 },
    );
    const mutated = fc.tuple(rpc, fc.nat(10_000), fc.nat(255), fc.nat(10_000));
    fc.assert(
      fc.property(mutated, ([value, at, by, length]) => {
        const bytes = Buffer.from(encodeRpc(value));
        if (bytes.length === 0) return true;
        bytes[at % bytes.length]! ^= by;
        return isRead(bytes.subarray(0, 1 + (length % bytes.length)));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a message', () => {
  test('is written and passed on as gossipsub writes it', () => {
    fc.assert(
      fc.property(message, (parts) => {
        const stock = Buffer.from(RPC.Message.encode(parts as RPC.Message));
        expect(encodeMessage(parts)).toEqual(stock);
        const { frame } = messageOf(parts);
        expect(Buffer.from(frame)).toEqual(framed(encodeRpc({ subscriptions: [], messages: [parts] })));
      }),
      { numRuns: 200 },
    );
  });

  test('in fields of another order is signed and passed on in the common one', () => {
    fc.assert(
      fc.property(message, fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 }), (parts, order) => {
        const names = ['from', 'data', 'seqno', 'topic', 'signature', 'key'] as const;
        const shuffled = order.map((i) =>
          encodeMessage({ topic: '', data: undefined, [names[i]!]: parts[names[i]!] }),
        );
        const read = new WireMessage(new WireReader(Buffer.concat(shuffled)));
        const { topic, data, from, seqno } = parts;
        const signed = Buffer.concat([
          Buffer.from('libp2p-pubsub:'),
          encodeMessage({ topic, data, from, seqno }),
        ]);
        expect(Buffer.from(read.signedBytes())).toEqual(signed);
        expect(Buffer.from(read.frame)).toEqual(Buffer.from(messageOf(parts).frame));
        expect(partsOf(read)).toEqual(partsOf(parts));
      }),
      { numRuns: 200 },
    );
  });
});

describe('frames on a stream', () => {
  test('come out as they went in, however they are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }),
        (bodies, cuts) => {
          const all = Buffer.concat(bodies.map(framed));
          const frames = new Frames(1_024);
          const out: Buffer[] = [];
          for (let at = 0, i = 0; at < all.length; i++) {
            const size = cuts[i % cuts.length]!;
            frames.push(Buffer.from(all.subarray(at, at + size)));
            at += size;
            for (let frame = frames.next(); frame !== undefined; frame = frames.next()) out.push(frame);
          }
          expect(out.map(plain)).toEqual(bodies.map(plain));
        },
      ),
      { numRuns: 300 },
    );
  });
});
