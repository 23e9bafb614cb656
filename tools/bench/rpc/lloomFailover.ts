// A streamed answer whose executor is killed on the way, and which another one finishes.
import { toPeerId } from '@lloom/core';
import type { AlternativeSource } from '@lloom/rpc';
import { multiaddr } from '@multiformats/multiaddr';
import { connectLloomNode, createLloomNode, serverOf } from './lloomNode.ts';
import { readPlan, tokenBytes, tokensOf, type AnswerPlan, type Stack } from './stack.ts';

/** Where an executor is found, and what is killed. */
interface Executor {
  readonly address: string;
  readonly peerId: string;
  readonly pid: number;
}

const readExecutor = (text: string): Executor => JSON.parse(text) as Executor;

/** A node's first answer takes longer than all others, and is not measured. */
const first: AnswerPlan = { tokens: 2, everyMs: 1 };

/** A client that is connected to one executor, and knows where to find another. */
async function connect(executor: Executor, standby: Executor) {
  const find: AlternativeSource['find'] = ({ exclude }) =>
    exclude.includes(standby.peerId) ? undefined : standby.peerId;
  const alternatives = { find, search: (query: Parameters<typeof find>[0]) => Promise.resolve(find(query)) };
  const created = await connectLloomNode(executor.address, { alternatives });
  await created.node.peerStore.merge(toPeerId(standby.peerId), { multiaddrs: [multiaddr(standby.address)] });
  return created;
}

type Connected = Awaited<ReturnType<typeof connect>>;

/** Asks for an answer, and gives how many have produced it. */
async function ask(
  { rpc, identity, peerId }: Connected,
  plan: AnswerPlan,
  onToken: (count: number) => void = () => undefined,
): Promise<number> {
  const request = await identity.sign({ model: 'demo-small', prompt: JSON.stringify(plan) }, { to: peerId });
  const stream = rpc.stream(peerId, { type: 'llmRequest', request }, { retry: {} });
  let count = 0;
  for await (const { tokens } of stream) onToken((count += tokens));
  const { content, shares } = await stream.result;
  if (content.length !== plan.tokens * tokenBytes) throw new Error('The answer is not whole');
  return shares.length;
}

export const lloomFailover: Stack = {
  async startServer() {
    const created = await createLloomNode();
    created.rpc.serve(
      ({ request }, { prefix }) => {
        const plan = readPlan(request.payload.messages[0]!.content);
        return tokensOf({ ...plan, tokens: plan.tokens - (prefix?.tokens ?? 0) });
      },
      { canContinue: true },
    );
    const { address, close } = serverOf(created);
    const executor: Executor = { address, peerId: created.identity.peerId, pid: process.pid };
    return { address: JSON.stringify(executor), close };
  },
  connect(address) {
    const standby = readExecutor(address);
    return Promise.resolve({
      async failOver({ executor: text, plan, killAfter = Infinity }) {
        const executor = readExecutor(text);
        const connected = await connect(executor, standby);
        try {
          await ask(connected, first);
          const start = performance.now();
          let killed = false;
          const executors = await ask(connected, plan, (count) => {
            if (killed || count < killAfter) return;
            killed = true;
            process.kill(executor.pid, 'SIGKILL');
          });
          const tookMs = performance.now() - start;
          if (executors !== (killed ? 2 : 1)) throw new Error(`${executors} executors took part`);
          return tookMs;
        } finally {
          await connected.close();
        }
      },
      close: () => Promise.resolve(),
    });
  },
};
