// Two libp2p nodes, one tuned and one as libp2p comes: they need nothing of each other.
// #region stack
import assert from 'node:assert/strict';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLog, createStack, jsonLines, noiseCryptoInfo } from '@lloom/transport';
import { createLibp2p } from 'libp2p';

const server = await createLibp2p({
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
});
const client = await createLibp2p({ ...createStack(), addresses: { listen: [] } });
// #endregion
try {
  const texts: string[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  await server.handle('/notes/1.0.0', (stream) => {
    stream.addEventListener(
      'message',
      ({ data }) => void texts.push(new TextDecoder().decode(data.subarray())),
    );
    stream.addEventListener('remoteCloseWrite', () => resolve());
  });
  const connection = await client.dial(server.getMultiaddrs());
  const stream = await connection.newStream('/notes/1.0.0');
  // A thousand messages of one turn: one write.
  for (let count = 0; count < 1_000; count++) stream.send(new TextEncoder().encode(`${count} `));
  await stream.close();
  await ended;
  assert.equal(texts.join('').split(' ').length, 1_001);
  const lines: string[] = [];
  const write = (line: string): unknown => lines.push(line);
  // #region log
  const log = createLog({ level: 'error', sink: jsonLines(write) });
  const watched = await createLibp2p({ ...createStack(), logger: log, addresses: { listen: [] } });
  log.setLevel('debug', 'libp2p:connection-manager');
  // #endregion
  try {
    await watched.dial(server.getMultiaddrs());
  } finally {
    await watched.stop();
  }
  assert.match(lines[0] ?? '', /^{"at":[0-9]+,"level":"debug","component":"libp2p:connection-manager/);
  const { smallRecords, reason } = noiseCryptoInfo();
  console.log(`small records are sealed by ${smallRecords}${reason === undefined ? '' : `: ${reason}`}`);
} finally {
  await Promise.all([client.stop(), server.stop()]);
}
