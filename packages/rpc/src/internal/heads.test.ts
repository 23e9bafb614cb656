import { CodecError, decodeOpenHead, encodeOpenHead, type OpenHead } from '@lloom/codec';
import { seededRandom } from '@lloom/simkit';
import { expect, test } from 'vitest';
import { HeadReader, HeadWriter } from './heads.ts';

const plain: OpenHead = { method: 'ping', stream: false, timeoutMs: 60_000, metadata: {} };

/** The bytes of a head with its length before them, as they stand in an open frame. */
function framed(head: OpenHead): Uint8Array {
  const bytes = encodeOpenHead(head);
  return Uint8Array.of(bytes.length >>> 8, bytes.length & 0xff, ...bytes);
}

test('heads are written and read as by themselves, in whatever order they come', () => {
  const random = seededRandom('heads');
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.float() * list.length)]!;
  const [writer, reader] = [new HeadWriter(), new HeadReader()];
  for (let time = 0; time < 1_000; time++) {
    const head: OpenHead = {
      method: pick(['ping', 'llmRequest', '/a/1.0.0', '/b/1.0.0']),
      stream: pick([true, false, false]),
      metadata: pick([{}, {}, {}, { a: 'b' }, { a: 'c', long: 'x'.repeat(3_000) }]),
      ...pick([{ timeoutMs: 1 }, { timeoutMs: 60_000 }, { timeoutMs: 60_000 }, {}]),
      ...pick([{}, {}, {}, { idempotencyKey: pick(['k1', 'k2']) }]),
      ...pick([{}, {}, {}, { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }]),
      ...pick([{}, {}, {}, { sizeBytes: pick([70_000, 70_001]) }]),
    };
    const bytes = writer.write(head);
    expect(bytes, `time ${time}`).toEqual(framed(head));
    expect(reader.read(bytes.subarray(2)), `time ${time}`).toEqual(decodeOpenHead(encodeOpenHead(head)));
  }
});

test('a head like the one before costs no bytes of its own', () => {
  const writer = new HeadWriter();
  const first = writer.write(plain);
  expect(writer.write({ ...plain })).toBe(first);
  expect(writer.write({ ...plain, timeoutMs: 59_999 })).not.toBe(first);
  const reader = new HeadReader();
  const head = reader.read(first.subarray(2));
  expect(reader.read(first.slice(2))).toBe(head);
});

test('a head that cannot be written leaves the writer as it was', () => {
  const writer = new HeadWriter();
  writer.write(plain);
  for (const wrong of [
    { ...plain, method: '' },
    { ...plain, metadata: { a: 'x'.repeat(5_000) } },
  ])
    expect(() => writer.write(wrong)).toThrow(CodecError);
  expect(writer.write(plain)).toEqual(framed(plain));
});

test('bytes that are no head are refused each time, and those after them read', () => {
  const reader = new HeadReader();
  const bytes = encodeOpenHead(plain);
  reader.read(bytes);
  for (let time = 0; time < 2; time++) {
    expect(() => reader.read(Uint8Array.of(0xff, 0xff))).toThrow(CodecError);
    expect(() => reader.read(new Uint8Array(0))).toThrow(CodecError);
    expect(reader.read(bytes)).toMatchObject({ method: 'ping' });
  }
});

test('what was read last does not change with the bytes that it was read from', () => {
  const reader = new HeadReader();
  const bytes = encodeOpenHead(plain);
  reader.read(bytes);
  bytes.fill(0);
  expect(reader.read(encodeOpenHead(plain))).toMatchObject({ method: 'ping' });
});
