import { evmAddressOf, type LloomBehaviour, type PricingInfo } from '@lloom/behaviour';
import type { SeededRandom } from '@lloom/simkit';
import type { ResolvedLoad } from '../config.ts';
import { isOverbilled } from './bill.ts';
import type { EndWatch } from './endWatch.ts';
import { countTokens } from './executor.ts';
import type { GivenShare, KeptRequest, Ledger } from './ledger.ts';
import type { SimNode } from './simNode.ts';

/** How long an executor is looked for, in ms, when the whole question may take longer. */
const searchTimeoutMs = 5_000;
const prompt = 'What is the answer to the great question?';
const questionTokens = countTokens([{ role: 'user', content: prompt }]);

/** What a load works with. */
export interface LoadPorts {
  readonly name: string;
  readonly ledger: Ledger;
  readonly ends: EndWatch;
  readonly random: SeededRandom;
  readonly elapsed: () => number;
  /** Calls something at a moment of virtual time, in ms. */
  readonly at: (elapsedMs: number, act: () => void) => void;
  /** Who may ask now; those that are down are left out. */
  readonly clients: () => readonly SimNode[];
  readonly withPeerId: (peerId: string) => SimNode | undefined;
}

/** Questions that clients ask in turn, at random moments. */
export class Load {
  readonly #config: ResolvedLoad;
  readonly #ports: LoadPorts;
  #turn = 0;
  #asked = 0;
  #isStopped = false;

  constructor(config: ResolvedLoad, ports: LoadPorts) {
    this.#config = config;
    this.#ports = ports;
  }

  start(): void {
    this.#plan(Math.max(this.#config.fromMs, this.#ports.elapsed()));
  }

  /** No question is asked any more; those under way go on. */
  stop(): void {
    this.#isStopped = true;
  }

  #plan(fromMs: number): void {
    const gapMs = (-Math.log(1 - this.#ports.random.float()) * 1_000) / this.#config.requestsPerSecond;
    const atMs = fromMs + gapMs;
    if (atMs >= this.#config.untilMs) return;
    this.#ports.at(atMs, () => {
      if (this.#isStopped) return;
      this.#plan(atMs);
      const client = this.#next();
      if (client !== undefined) void this.#ask(client);
    });
  }

  /** Whose turn it is of those that are up. */
  #next(): SimNode | undefined {
    const clients = this.#ports.clients();
    for (let skipped = 0; skipped < clients.length; skipped += 1) {
      const client = clients[this.#turn % clients.length]!;
      this.#turn += 1;
      if (client.isUp) return client;
    }
    return undefined;
  }

  async #ask(client: SimNode): Promise<void> {
    const { name, ledger } = this.#ports;
    const request = ledger.ask(name);
    const { behaviour, starts } = client;
    const key = `${name}-${this.#asked}`;
    this.#asked += 1;
    try {
      await this.#converse(client, { behaviour, request, key });
    } catch (error) {
      const isGone = !client.isUp || client.starts !== starts;
      ledger.fail(request, isGone ? 'CLIENT_DOWN' : codeOf(error));
    }
  }

  async #converse(client: SimNode, { behaviour, request, key }: Asking): Promise<void> {
    const { ledger, elapsed } = this.#ports;
    const { model, answerTokens, maxPrice, prefer, timeoutMs, maxAttempts } = this.#config;
    const query = {
      model,
      ...(maxPrice !== undefined && { maxPrice: perToken(maxPrice, answerTokens) }),
      ...(prefer !== undefined && { prefer }),
    };
    const found = await behaviour.selectExecutor(query, { timeoutMs: Math.min(searchTimeoutMs, timeoutMs) });
    const to = evmAddressOf(found.peerId);
    const question = {
      ...{ model, prompt, maxTokens: answerTokens, idempotencyKey: key },
      ...(maxPrice !== undefined && { maxPrice }),
    };
    const signed = await client.identity.sign(question, to === undefined ? {} : { to });
    const leftMs = Math.max(1, Math.round(timeoutMs - (elapsed() - request.atMs)));
    const stream = behaviour.stream(
      found.peerId,
      { type: 'llmRequest', request: signed },
      { timeoutMs: leftMs, retry: { maxAttempts, failover: 'resume' } },
    );
    this.#ports.ends.watch(behaviour, stream.requestId, request);
    for await (const _ of stream) ledger.begin(request);
    const answer = await stream.result;
    const shares = answer.shares.map(({ peerId, tokens, totalCost }): GivenShare => ({
      executor: this.#ports.withPeerId(peerId)?.name ?? peerId,
      ...{ tokens, cost: BigInt(totalCost) },
    }));
    const pricesOf = (peerId: string): readonly PricingInfo[] =>
      this.#ports.withPeerId(peerId)?.pricesWithin(request.atMs, elapsed()) ?? [];
    ledger.answer(request, {
      ...{ answer, shares },
      isOverbilled: isOverbilled(answer, { questionTokens, pricesOf }),
    });
  }
}

interface Asking {
  readonly behaviour: LloomBehaviour;
  readonly request: KeptRequest;
  readonly key: string;
}

/** No executor that asks more for a token can answer for that much. */
function perToken(maxPrice: string, answerTokens: number): PricingInfo {
  const share = (tokens: number): string => (BigInt(maxPrice) / BigInt(Math.max(1, tokens))).toString();
  return { inboundPrice: share(questionTokens), outboundPrice: share(answerTokens) };
}

function codeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
  return typeof code === 'string' ? code : String(name);
}
