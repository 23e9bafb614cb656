// Streamed answers whose every byte is known.
import { createHash } from 'node:crypto';
import { RpcError, type Identity, type LloomBehaviour } from '@lloom/behaviour';

/** What is asked of whom. */
export interface Ask {
  readonly peerId: string;
  readonly model: string;
  readonly tokens: number;
  readonly tokenBytes: number;
  /** How long the executor waits before each token, in ms. @default 0 - as fast as they go */
  readonly everyMs?: number;
  /** How long it may take. @default 30_000 */
  readonly timeoutMs?: number;
  /** How often it is asked. @default 1 */
  readonly maxAttempts?: number;
}

/** What came of it. */
export interface Asked {
  /** Whether every byte arrived once and in order. */
  readonly isExact: boolean;
  readonly tokens: number;
  readonly bytes: number;
  readonly firstTokenMs: number;
  readonly ms: number;
  /** Over what sessions with the peer ran when the first token came, and when the last one did. */
  readonly ways: readonly Way[];
  /** The code of the error that it ended with. */
  readonly failed?: string;
  readonly message?: string;
}

/** Whether there is a relay in between. */
export type Way = 'direct' | 'relayed' | 'both' | 'none';

const sessionProtocol = '/lloom/rpc/';

const tokenOf = (i: number, bytes: number): string =>
  `${i} `.padEnd(bytes, 'lorem ipsum dolor sit amet ').slice(0, bytes);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Serves whoever asks with {@link ask}. */
export function serveTokens(node: LloomBehaviour): void {
  node.serve(async function* ({ request }, { signal }) {
    const wanted = request.payload.messages.at(-1)?.content ?? '';
    const plan = JSON.parse(wanted) as Ask;
    for (let i = 0; i < plan.tokens; i++) {
      if (plan.everyMs !== undefined) await pause(plan.everyMs);
      signal.throwIfAborted();
      yield tokenOf(i, plan.tokenBytes);
    }
  });
}

/** Asks for an answer, and reads it to its end. Never throws for an answer that failed. */
export async function ask(node: LloomBehaviour, identity: Identity, plan: Ask): Promise<Asked> {
  const { peerId, model, tokens, tokenBytes, timeoutMs = 30_000, maxAttempts } = plan;
  const input = { model, prompt: JSON.stringify(plan), maxTokens: tokens };
  const request = await identity.sign(input, { to: peerId });
  const start = performance.now();
  const ways: Way[] = [];
  let firstTokenMs = Number.NaN;
  let count = 0;
  let bytes = 0;
  const read = createHash('sha256');
  const say = (failure?: { readonly failed: string; readonly message: string }): Asked => ({
    isExact: read.digest('hex') === digestOf(tokens, tokenBytes),
    tokens: count,
    bytes,
    firstTokenMs,
    ms: performance.now() - start,
    ways,
    ...failure,
  });
  try {
    const retry = maxAttempts === undefined ? {} : { retry: { maxAttempts, initialDelayMs: 100 } };
    const answer = node.stream(peerId, { type: 'llmRequest', request }, { timeoutMs, ...retry });
    for await (const chunk of answer) {
      if (count === 0) {
        firstTokenMs = performance.now() - start;
        ways.push(wayTo(node, peerId));
      }
      count += chunk.tokens;
      bytes += chunk.text.length;
      read.update(chunk.text);
    }
    ways.push(wayTo(node, peerId));
    await answer.result;
    return say();
  } catch (error) {
    const failed = RpcError.is(error) ? error.code : 'OTHER';
    return say({ failed, message: error instanceof Error ? error.message : String(error) });
  }
}

/** Over what the sessions with a peer run. */
function wayTo(node: LloomBehaviour, peerId: string): Way {
  const ways = new Set<Way>();
  for (const { remotePeer, streams, direct } of node.libp2p.getConnections()) {
    if (remotePeer.toString() !== peerId) continue;
    // Those that the peer opens are for its own requests.
    if (
      streams.some(
        ({ direction, protocol }) => direction === 'outbound' && protocol.startsWith(sessionProtocol),
      )
    )
      ways.add(direct ? 'direct' : 'relayed');
  }
  return ways.size > 1 ? 'both' : ([...ways][0] ?? 'none');
}

function digestOf(tokens: number, tokenBytes: number): string {
  const hash = createHash('sha256');
  for (let i = 0; i < tokens; i++) hash.update(tokenOf(i, tokenBytes));
  return hash.digest('hex');
}
