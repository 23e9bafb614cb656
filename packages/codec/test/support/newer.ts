import { Reader, Writer } from 'protobufjs/minimal.js';

import type { FormatName } from './formats.ts';

/** Which fields of a message are messages themselves. */
interface Shape {
  readonly [field: number]: Shape;
}

const leaf: Shape = {};
const end: Shape = { 1: { 1: leaf, 2: leaf, 3: leaf }, 2: leaf };
const executor: Shape = { 3: leaf, 8: { 2: leaf } };
const page: Shape = { 1: leaf };
const registered: Shape = { 1: leaf };

const shapes: Readonly<Record<FormatName, Shape>> = {
  LlmRequest: { 2: leaf },
  LlmResponse: leaf,
  AnswerSegment: leaf,
  ServiceDescriptor: { 3: { 1: executor, 2: leaf } },
  RequestFrame: { 6: leaf, 7: { 1: leaf, 2: leaf, 3: leaf } },
  ResponseFrame: { 1: { 4: leaf }, 2: end, 3: leaf },
  OpenHead: { 6: leaf },
  RequestMessage: { 1: leaf, 2: leaf, 3: leaf },
  AnswerChunk: { 4: leaf },
  AnswerEnd: end,
  ErrorFrame: leaf,
  GossipMessage: { 3: { 4: leaf }, 4: leaf, 5: leaf, 6: { 3: leaf } },
  DescriptorRequest: leaf,
  DescriptorFrame: { 1: leaf },
  RegistryRequest: { 2: page, 3: page, 4: leaf, 5: page, 6: leaf },
  RegistryAnswer: {
    1: { 1: { 6: leaf } },
    2: { 1: registered },
    3: { 1: registered },
    4: leaf,
    5: leaf,
  },
};

/** A field that a newer version may have added, of any wire type. */
function later(random: () => number): Uint8Array {
  const number = 20 + Math.floor(random() * 5_000);
  const writer = Writer.create();
  const write = [
    () => writer.uint32(number * 8).uint64(Math.floor(random() * Number.MAX_SAFE_INTEGER)),
    () => writer.uint32(number * 8 + 1).double(random()),
    () => writer.uint32(number * 8 + 2).bytes(new Uint8Array(Math.floor(random() * 40)).fill(0xff)),
    () => writer.uint32(number * 8 + 5).float(random()),
  ];
  write[Math.floor(random() * write.length)]?.();
  return writer.finish();
}

/** The same message as a newer version might write it: with fields that are not known here, at every depth. */
export function asNewer(name: FormatName, bytes: Uint8Array, random: () => number): Uint8Array {
  const rewrite = (part: Uint8Array, shape: Shape): Uint8Array => {
    const out: Uint8Array[] = [];
    const add = (): void => {
      if (random() < 0.5) out.push(later(random));
    };
    const reader = Reader.create(part);
    while (reader.pos < reader.len) {
      add();
      const start = reader.pos;
      const tag = reader.uint32();
      const inner = shape[tag >>> 3];
      if (inner === undefined) {
        reader.skipType(tag & 7);
        out.push(part.subarray(start, reader.pos));
      } else {
        const nested = rewrite(reader.bytes(), inner);
        out.push(Writer.create().uint32(tag).bytes(nested).finish());
      }
    }
    add();
    return new Uint8Array(Buffer.concat(out));
  };
  return rewrite(bytes, shapes[name]);
}
