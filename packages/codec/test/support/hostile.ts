// Reads inputs of 10 MiB that are made to grow in memory. Started by a test, in a process with a small heap: where
// reading one takes more than that heap, the process ends with a signal.
import {
  CodecError,
  decodePayload,
  decodeRequestFrame,
  FrameDecoder,
  limits,
  SessionDecoder,
  splitRequestFrame,
  splitResponseFrame,
} from '../../src/index.ts';

const size = limits.messageBytes;

/** `pattern` over and over. */
function repeated(pattern: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(size - (size % pattern.length));
  bytes.set(pattern);
  for (let have = pattern.length; have < bytes.length; have *= 2) bytes.copyWithin(have, 0, have);
  return bytes;
}

/** Metadata entries that each have another name of five characters. */
function manyNames(): Uint8Array {
  const bytes = repeated([0x32, 7, 0x0a, 5, 97, 97, 97, 97, 97]);
  for (let at = 0, index = 0; at < bytes.length; at += 9, index++) {
    for (let digit = 0; digit < 5; digit++) bytes[at + 4 + digit] = 97 + ((index >>> (4 * digit)) & 15);
  }
  return bytes;
}

/** Messages of a chat that each have as many extra objects as one may. */
function manyObjects(): Uint8Array {
  const extra = Buffer.from(`{"a":[${'{},'.repeat(21_000)}{}]}`);
  const { length } = extra;
  const message = [0x0a, 1, 117, 0x1a, (length & 0x7f) | 0x80, ((length >>> 7) & 0x7f) | 0x80, length >>> 14];
  const inner = message.length + length;
  const field = [0x12, (inner & 0x7f) | 0x80, ((inner >>> 7) & 0x7f) | 0x80, inner >>> 14];
  return repeated([...field, ...message, ...extra]);
}

const refused = (act: () => unknown): void => {
  try {
    act();
  } catch (error) {
    if (CodecError.is(error)) return;
    throw error;
  }
  throw new Error('It was taken');
};

const inputs: Readonly<Record<string, () => void>> = {
  'chat messages of two bytes': () => refused(() => decodePayload('LlmRequest', repeated([0x12, 0]))),
  'messages with extra objects': () => refused(() => decodePayload('LlmRequest', manyObjects())),
  'stop texts of two bytes': () => refused(() => decodePayload('LlmRequest', repeated([0x32, 0]))),
  'services of four bytes': () =>
    refused(() => decodePayload('ServiceDescriptor', repeated([0x1a, 2, 0x0a, 0]))),
  'metadata of nine bytes': () => refused(() => decodeRequestFrame(manyNames())),
  'unknown fields of two bytes': () => refused(() => decodePayload('LlmRequest', repeated([0x78, 0]))),
  'the request over and over': () => refused(() => decodeRequestFrame(repeated([0x3a, 2, 0x0a, 0]))),
  'the request over and over, not decoded': () => refused(() => splitRequestFrame(repeated([0x3a, 0]))),
  'the answer over and over, not decoded': () => refused(() => splitResponseFrame(repeated([0x0a, 0]))),
  'frames of a session without a payload': () => countSession(repeated([0, 0, 0, 2, 0, 0, 0, 1])),
  'frames of a session that are skipped': () => countSession(repeated([0, 0, 0, 7, 0, 0, 0, 1]), 0),
  'empty frames': () => count(repeated([0])),
  'frames of two bytes': () => count(repeated([1, 7])),
};

function count(bytes: Uint8Array): void {
  let messages = 0;
  for (const message of new FrameDecoder().push(bytes)) messages += message.length < 2 ? 1 : 0;
  if (messages === 0) throw new Error('There were no messages');
}

function countSession(bytes: Uint8Array, wanted: number = bytes.length / 8): void {
  let frames = 0;
  const decoder = new SessionDecoder(() => (frames += 1));
  decoder.push(bytes);
  decoder.end();
  if (frames !== wanted) throw new Error(`There were ${frames} frames`);
}

for (const [title, act] of Object.entries(inputs)) {
  act();
  process.stdout.write(`${title}\n`);
}
