// The server of the rpc suite, in a process of its own: prints its address, answers until it is told to end.
import { createBenchNode, echoProtocol } from './rpcNode.ts';

const { node } = await createBenchNode();
await node.handle(
  echoProtocol,
  (stream) => {
    stream.addEventListener('message', ({ data }) => {
      stream.send(data);
      void stream.close();
    });
  },
  { maxInboundStreams: 1_000 },
);
process.stdout.write(`${node.getMultiaddrs()[0]?.toString()}\n`);
process.stdin.once('end', () => void node.stop()).resume();
