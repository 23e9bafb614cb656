// Answers whoever asks, until it is killed.
import { echoProtocol, startBareNode } from './bareNode.mjs';
import { tell } from './tell.mjs';

const node = await startBareNode();
await node.handle(echoProtocol, (stream) => {
  stream.addEventListener('message', ({ data }) => stream.send(data));
  stream.addEventListener('remoteCloseWrite', () => void stream.close().catch(() => undefined));
});
tell(String(node.getMultiaddrs()[0]));
