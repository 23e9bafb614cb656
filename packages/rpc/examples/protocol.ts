// A protocol of one's own between two plain libp2p nodes: typed, with deadlines, cancelled when the caller gives up.
import assert from 'node:assert/strict';
import { noise } from '@libp2p/noise';
import { yamux } from '@libp2p/yamux';
import { identify } from '@libp2p/identify';
import { tcp } from '@libp2p/tcp';
import { createLibp2p } from 'libp2p';
import { Refusal, rpc, type Codec, type CustomProtocol } from '@lloom/rpc';

const json = <T>(): Codec<T> => ({
  encode: (value) => new TextEncoder().encode(JSON.stringify(value)),
  decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as T,
});
const weather: CustomProtocol<{ city: string }, { celsius: number }> = {
  protocolName: '/example/weather/1.0.0',
  request: json(),
  response: json(),
};

const createNode = () =>
  createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), rpc: rpc() },
  });

const [server, client] = [await createNode(), await createNode()];
try {
  await server.services.rpc.addProtocol({
    ...weather,
    handleRequest: (_peerId, { city }) => {
      if (city !== 'Bergen')
        throw new Refusal('BUSY', 'only Bergen is measured now', { retryAfterMs: 1_000 });
      return { celsius: 7 };
    },
  });

  await client.dial(server.getMultiaddrs());
  const call = { timeoutMs: 5_000 };
  const answer = await client.services.rpc.callProtocol(server.peerId, weather, { city: 'Bergen' }, call);
  process.stdout.write(`${answer.celsius} degrees\n`);
  assert.equal(answer.celsius, 7);
} finally {
  await Promise.all([client.stop(), server.stop()]);
}
