import { seededRandom, VirtualClock } from '@lloom/simkit';
import type { EvmAddress } from '@lloom/core';
import { CallMoves, type Move } from '../src/callMoves.ts';
import { CallPeers } from '../src/callPeers.ts';
import { resolveRetry, resolveRpcConfig, type RpcConfig } from '../src/config.ts';
import { RpcError, type RpcErrorCode, type RpcErrorData } from '../src/errors.ts';
import { StitchedAnswer, Stretch } from '../src/internal/stitchedAnswer.ts';
import type { AlternativeQuery, AlternativeSource } from '../src/ports.ts';
import type { RetryStrategy } from '../src/types.ts';

export function failed<C extends RpcErrorCode>(code: C, data: Partial<RpcErrorData[C]> = {}): RpcError {
  return new RpcError(code, { requestId: 'r-1', peerId: 'a', ...data } as RpcErrorData[C]);
}

/** Names these in order, with those that were asked for. */
export function listed(...names: string[]) {
  const queries: AlternativeQuery[] = [];
  const find = (query: AlternativeQuery): string | undefined => {
    queries.push(query);
    return names.find((name) => name !== query.peerId && !query.exclude.includes(name));
  };
  return { queries, find, search: async (query: AlternativeQuery) => find(query) };
}

export interface Given {
  readonly alternatives?: AlternativeSource;
  readonly config?: RpcConfig;
  readonly strategy?: RetryStrategy;
  readonly plan?: object;
  readonly makeRoom?: (peerId: string, bytes: number) => Promise<boolean>;
  readonly mayComeBack?: boolean;
}

export function movesOf({
  alternatives,
  config = {},
  strategy = {},
  plan = {},
  makeRoom,
  mayComeBack,
}: Given = {}) {
  const clock = new VirtualClock();
  const random = seededRandom('moves');
  const peers = new CallPeers(resolveRpcConfig(config), {
    clock,
    random,
    alternatives,
    reports: { tell: () => undefined },
  });
  const answer = new StitchedAnswer();
  const controller = new AbortController();
  const moves = new CallMoves({
    peers,
    plan: {
      method: 'llmRequest',
      model: 'demo-small',
      isRepeatable: true,
      canMove: true,
      canContinue: true,
      ...plan,
    },
    peerId: 'a',
    strategy: resolveRetry({ maxAttempts: 100, ...strategy }),
    signal: controller.signal,
    makeRoom,
    ...(mayComeBack !== undefined && { mayComeBack }),
  });
  /** Asks whoever is to be asked, lets it fail, and says who is next. */
  const fails = async (error: RpcError): Promise<[object | undefined, string | undefined]> => {
    const target = (await moves.target()) as string;
    moves.asks(target);
    const move = moves.after(error, target, answer);
    return [move && waitOf(move), move && (await moves.target())];
  };
  /** Text of an answer. */
  const shows = (peerId: string, text: string): void => {
    const { last } = answer;
    const stretch =
      last?.peerId === peerId ? last : new Stretch(peerId, `0x${peerId}` as EvmAddress, answer.prefix);
    stretch.text += text;
    stretch.saidBytes += text.length;
    stretch.tokens++;
    answer.add(stretch);
  };
  return { moves, peers, clock, answer, controller, fails, shows };
}

const waitOf = ({ isElsewhere, leastDelayMs }: Move): object => ({ isElsewhere, leastDelayMs });

export const busy = failed('BUSY', { retryAfterMs: 700 });
export const lost = failed('CONNECTION_CLOSED', { outcome: 'unknown' });
