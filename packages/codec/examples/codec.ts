// A request on its way: value, bytes, frame, pieces as a network delivers them, and the value again.
// #region main
import assert from 'node:assert/strict';

import {
  CodecError,
  decodeOpenHead,
  decodeRequestFrame,
  encodeFrame,
  encodeOpenHead,
  encodeRequestFrame,
  encodeSessionFrame,
  FrameDecoder,
  joinOpen,
  SessionDecoder,
  sessionFrame,
  splitOpen,
  type RequestFrame,
} from '@lloom/codec';

const request: RequestFrame = {
  stream: false,
  timeoutMs: 30_000,
  metadata: { tenant: 'blue' },
  request: { type: 'ping' },
};
const frame = encodeFrame(encodeRequestFrame(request));
console.log(`${frame.length} bytes: ${Buffer.from(frame).toString('hex')}`);

// The other side takes what the network gives it, in any pieces.
const decoder = new FrameDecoder({ maxFrameBytes: 64 * 1024 });
for (const piece of [frame.subarray(0, 5), frame.subarray(5)]) {
  for (const message of decoder.push(piece)) {
    const received = decodeRequestFrame(message);
    console.log(received.request.type, received.metadata['tenant']);
    assert.equal(received.timeoutMs, request.timeoutMs);
  }
}
decoder.end(); // throws when the bytes ended inside a frame
// #endregion

// #region refused
// A peer announces 10 MiB where the limit is 64 KiB: refused before a byte of them arrives.
const announcement = Buffer.from('80808005', 'hex');
try {
  for (const message of new FrameDecoder({ maxFrameBytes: 64 * 1024 }).push(announcement))
    console.log(message);
  assert.fail('it was accepted');
} catch (error) {
  if (!CodecError.is(error, 'TOO_LARGE')) throw error;
  const { sizeBytes, limitBytes } = error.data;
  console.log(`${error.code}: ${sizeBytes} bytes, limit is ${limitBytes}. ${error.hint}`);
}
// #endregion

// #region session
const { open, body, end } = sessionFrame;
const head = encodeOpenHead({ method: '/echo/1.0.0', stream: false, metadata: {} });
const batch = Buffer.concat([
  encodeSessionFrame({ kind: open, id: 1, more: true, payload: joinOpen(head, Buffer.from('Hello, ')) }),
  encodeSessionFrame({ kind: body, id: 1, more: false, payload: Buffer.from('world') }),
  encodeSessionFrame({ kind: end, id: 2, more: false, payload: new Uint8Array(0) }),
]);

const sessions = new SessionDecoder(({ kind, id, more, payload }) => {
  const opened = kind === open ? splitOpen(payload) : undefined;
  if (opened !== undefined) console.log(id, 'opens', decodeOpenHead(opened.head).method);
  console.log(id, Buffer.from(opened?.piece ?? payload).toString(), more ? 'and more' : '');
});
for (const piece of [batch.subarray(0, 10), batch.subarray(10)]) sessions.push(piece);
sessions.end(); // throws when the bytes ended inside a frame
// #endregion
