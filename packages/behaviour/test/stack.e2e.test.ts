import { createStack } from '@lloom/transport';
import { expect, test } from 'vitest';

import { createNode } from './nodes.ts';

test('a stack that brings a logger is logged by it, one without leaves libp2p its own', async () => {
  const { logger, ...parts } = createStack();
  const scopes: string[] = [];
  const forComponent = (name: string) => {
    scopes.push(name);
    return logger.forComponent(name);
  };
  const own = await createNode({ stack: { ...parts, logger: { forComponent } } });
  const without = await createNode({ stack: parts });
  expect(without.libp2p.logger).not.toBe(own.libp2p.logger);

  const ended = own.dialPeer(without.peerId, without.listenedAddresses());
  await expect(ended).resolves.toBeDefined();
  expect(scopes).toContain('libp2p:tcp');
});
