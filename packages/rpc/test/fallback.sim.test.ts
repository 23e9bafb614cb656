import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { reqRespProtocol, sessionProtocol } from '../src/internal/protocolIds.ts';
import { question } from './nodes.ts';
import {
  createPair,
  fidelities,
  identified,
  outcomeOf,
  readAll,
  textOf,
  words,
  type SimNode,
} from './simulation.ts';

const ping = { type: 'ping' } as const;
const lingerMs = 2_000;

/** Which of our protocols a node asks for, from now on and in order, on its one connection. */
function attempts({ node }: SimNode): string[] {
  const asked: string[] = [];
  const note = (connection: ReturnType<typeof node.getConnections>[number]): void => {
    const newStream = connection.newStream.bind(connection);
    connection.newStream = (protocols, config) => {
      const names = [protocols].flat();
      asked.push(...names.filter((name) => name.startsWith('/lloom/')));
      return newStream(protocols, config);
    };
  };
  for (const connection of node.getConnections()) note(connection);
  node.addEventListener('connection:open', ({ detail }) => note(detail));
  return asked;
}

describe('over full links', () => {
  const fidelity = 'full';

  test('a peer that is known to speak only streams is asked for nothing else', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: { sessions: false, serve: words(5, 10) },
    });
    await identified({ network, asker, executor });
    const asked = attempts(asker);
    await network.run(asker.rpc.request(executor.peerId, ping));
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
    expect(await network.run(readAll(answer))).toBe(textOf(5));
    expect(asked).toEqual([reqRespProtocol, reqRespProtocol]);
    await network.runFor(lingerMs);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('a peer of which nothing is known yet is asked for a session once, and then for streams', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: { sessions: false },
    });
    const asked = attempts(asker);
    const pings = Array.from({ length: 20 }, () => outcomeOf(asker.rpc.request(executor.peerId, ping)));
    expect(new Set(await network.run(Promise.all(pings)))).toEqual(new Set(['answered']));
    expect(asked[0]).toBe(sessionProtocol);
    expect(asked.slice(1)).toEqual(Array.from({ length: 20 }, () => reqRespProtocol));
    asked.length = 0;
    await network.run(asker.rpc.request(executor.peerId, ping));
    expect(asked).toEqual([reqRespProtocol]);
    await network.runFor(lingerMs);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('a peer that lists sessions and refuses them is asked over streams, and for no session again', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, { fidelity });
    await identified({ network, asker, executor });
    await executor.node.unhandle(sessionProtocol);
    const asked = attempts(asker);
    for (let time = 0; time < 3; time++)
      await expect(network.run(asker.rpc.request(executor.peerId, ping))).resolves.toEqual({ type: 'pong' });
    expect(asked).toEqual([sessionProtocol, reqRespProtocol, reqRespProtocol, reqRespProtocol]);
    await network.runFor(lingerMs);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('a peer that has learned sessions meanwhile is asked for one over its next connection', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, { fidelity });
    const { registrar } = (executor.node as unknown as { components: { registrar: Registrar } }).components;
    const { handler, options } = registrar.getHandler(sessionProtocol);
    await executor.node.unhandle(sessionProtocol);
    await network.run(asker.rpc.request(executor.peerId, ping));
    expect(asker.sessions()).toEqual([]);
    await executor.node.handle(sessionProtocol, handler, options);
    await network.run(asker.node.hangUp(executor.node.peerId));
    await network.run(asker.node.dial(executor.node.peerId));
    await network.runFor(1_000);
    await network.run(asker.rpc.request(executor.peerId, ping));
    expect(asker.sessions()).toHaveLength(1);
  });
});

interface Registrar {
  getHandler(protocol: string): {
    readonly handler: Parameters<SimNode['node']['handle']>[1];
    readonly options: Parameters<SimNode['node']['handle']>[2];
  };
}

describe.for(fidelities)('over %s links', (fidelity) => {
  test('the first request of all travels in a session already', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, { fidelity });
    const asked = attempts(asker);
    await network.run(asker.rpc.request(executor.peerId, ping));
    expect(asked).toEqual([sessionProtocol]);
    await network.run(asker.rpc.request(executor.peerId, ping));
    expect(asked).toEqual([sessionProtocol]);
    expect(asker.sessions()).toHaveLength(1);
  });

  test('a node without sessions asks over streams, and is asked so, by one that has them', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      asker: { sessions: false },
      executor: { serve: words(3, 10) },
    });
    await identified({ network, asker, executor });
    await network.runFor(1_000);
    const [asked, askedBack] = [attempts(asker), attempts(executor)];
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
    expect(await network.run(readAll(answer))).toBe(textOf(3));
    await expect(network.run(executor.rpc.request(asker.peerId, ping))).resolves.toEqual({ type: 'pong' });
    expect([asked, askedBack]).toEqual([[reqRespProtocol], [reqRespProtocol]]);
    await network.runFor(lingerMs);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });
});
