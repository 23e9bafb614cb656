import type { AnswerPrefix } from '@lloom/codec';
import type { CallPeers } from './callPeers.ts';
import type { CallPlan } from './callPlan.ts';
import { RpcError } from './errors.ts';
import { kindOf, retryAfterMsOf } from './internal/failureKinds.ts';
import type { StitchedAnswer } from './internal/stitchedAnswer.ts';
import type { AlternativeQuery } from './ports.ts';
import type { RetryStrategy } from './types.ts';

/** What the moves of a call depend on. */
export interface MovesConfig {
  readonly peers: CallPeers;
  readonly plan: Pick<
    CallPlan<unknown>,
    'method' | 'model' | 'features' | 'isRepeatable' | 'canMove' | 'canContinue'
  >;
  /** Who is asked first. */
  readonly peerId: string;
  readonly strategy: Readonly<Required<RetryStrategy>>;
  /** Fires when the call has ended. */
  readonly signal: AbortSignal;
  /** Has room made to a peer whose answer a relay would have cut. Never rejects. @default there is none to be made */
  readonly makeRoom?: ((peerId: string, bytes: number) => Promise<boolean>) | undefined;
  /** Whether a peer whose answer a relay would have cut is asked once more when there is room, beyond all attempts. @default false */
  readonly mayComeBack?: boolean;
}

/** What is wanted beside what a peer has to say again, when a relay would have cut its answer, in bytes. */
const moreRoomBytes = 16 * 1024;

/** How a call goes on after a failure. */
export interface Move {
  /** Whether it goes on with a peer that has not failed it: then nothing is waited for. */
  readonly isElsewhere: boolean;
  /** Whether it is known who is asked; otherwise somebody is looked for first. */
  readonly isCertain: boolean;
  /** How long the peer that is asked again wants to be left alone, in ms. */
  readonly leastDelayMs: number;
}

/** Who is asked next. One for each call: it remembers who has failed it. */
export class CallMoves {
  readonly #config: MovesConfig;
  /** Those that are not asked again, and those that are not unless there is nobody else. */
  readonly #failed = new Map<string, { readonly isFinal: boolean; readonly retryAfterMs: number }>();
  readonly #asked: string[] = [];
  #target: string | undefined;
  #fallback: string | undefined;
  #search: Promise<string | undefined> | undefined;
  #found: string | undefined;
  /** Who can go on when there is room, and whether there is. */
  #room: { readonly peerId: string; readonly isMade: Promise<boolean> } | undefined;
  #worst: RpcError | undefined;
  #failures = 0;
  #mayComeBack: boolean;
  /** How much had been said when room was made last, and how often it was no more than the time before. */
  #saidBytes: number | undefined;
  #inVain = 0;

  constructor(config: MovesConfig) {
    this.#config = config;
    this.#target = config.peerId;
    this.#mayComeBack = config.mayComeBack === true;
  }

  /** Who is asked now, or was asked last. */
  get peerId(): string {
    return this.#asked.at(-1) ?? this.#config.peerId;
  }

  /** What the call fails with: of all failures the last one after which the request may have run, or else the last. */
  get worst(): RpcError | undefined {
    return this.#worst;
  }

  /** The peer is asked. */
  asks(peerId: string): void {
    this.#asked.push(peerId);
  }

  /** Remembers a failure. */
  note(error: RpcError, peerId: string): void {
    const { again } = kindOf(error);
    this.#failed.set(peerId, { isFinal: again !== 'anywhere', retryAfterMs: retryAfterMsOf(error) });
    // The nonce of what cannot be signed again here was used up: that says nothing of why it failed.
    const isOwnReplay = RpcError.is(error, 'SIGNATURE_REFUSED') && error.data.reason === 'REPLAYED';
    if (this.#worst !== undefined && isOwnReplay) return;
    // What came too late for the rest was cut before.
    if (RpcError.is(error, 'REQUEST_LOST') && this.#isCut(this.#worst, peerId)) return;
    if (this.#worst === undefined || kindOf(error).mayHaveRun || !kindOf(this.#worst).mayHaveRun)
      this.#worst = error;
  }

  /** How to go on after a failure of that peer; `undefined` when the call has failed. */
  after(error: RpcError, peerId: string, answer: StitchedAnswer): Move | undefined {
    this.note(error, peerId);
    const { strategy, plan, peers } = this.#config;
    const { again, mayHaveRun } = kindOf(error);
    const hasText = answer.last !== undefined;
    const mayMove = hasText
      ? strategy.failover === 'resume' && plan.canContinue && error.code !== 'SIGNATURE_INVALID'
      : strategy.failover !== 'none' && plan.canMove;
    // Whoever was left alone was not asked: that is no attempt, as long as somebody else is.
    const instead = error.code === 'PEER_AVOIDED' && mayMove ? peers.find(this.#query()) : undefined;
    if (instead === undefined) this.#failures++;
    const isSpent = this.#failures >= strategy.maxAttempts;
    const isRoomWanted = this.#wantsRoom(error, peerId, answer);
    // What the peer has kept costs nothing once more.
    const isFree = isSpent && isRoomWanted && this.#mayComeBack;
    if (isSpent && !isFree) return undefined;
    if (again === 'never' || (mayHaveRun && !plan.isRepeatable)) return undefined;
    const other = instead ?? (mayMove ? peers.find(this.#query()) : undefined);
    const here = this.#repeatable(answer, mayMove);
    const canSearch = mayMove && other === undefined && peers.hasAlternatives;
    const isNobody = other === undefined && here === undefined && !canSearch && !isRoomWanted;
    if (isNobody || !(isFree || instead !== undefined || peers.budget.take())) return undefined;
    if (isFree) this.#mayComeBack = false;
    this.#room = isRoomWanted ? { peerId, isMade: this.#makeRoom(peerId, answer) } : undefined;
    this.#target = other;
    this.#fallback = here;
    this.#search = undefined;
    this.#found = undefined;
    if (canSearch) void this.#look();
    const isElsewhere = other !== undefined || here === undefined || isRoomWanted;
    const leastDelayMs = isElsewhere ? 0 : (this.#failed.get(here)?.retryAfterMs ?? 0);
    const isCertain = (other !== undefined || here !== undefined) && !isRoomWanted;
    return { isElsewhere, isCertain, leastDelayMs };
  }

  /** Who is to be asked; `undefined` when there is nobody. */
  async target(): Promise<string | undefined> {
    const room = this.#room;
    this.#room = undefined;
    if (room !== undefined && (await room.isMade)) {
      this.#failed.delete(room.peerId);
      return (this.#target = room.peerId);
    }
    if (this.#target !== undefined) return (this.#target = this.#withRoom(this.#target));
    if (this.#found === undefined && this.#fallback === undefined) await this.#search;
    return (this.#target = this.#found ?? this.#fallback);
  }

  /** The peer that would be waited for is not asked any more. `false`: nobody else is looked for. */
  stopWaiting(): boolean {
    this.#fallback = undefined;
    return this.#search !== undefined;
  }

  /**
   * Whether somebody else is known who would be asked when that peer does not answer: `resume` also when it stands still in
   * its answer. Where there is nobody, it is waited for to the end.
   */
  behind(peerId: string): 'nobody' | 'beforeOutput' | 'resume' {
    const { strategy, plan, peers } = this.#config;
    const isLast = this.#failures + 1 >= strategy.maxAttempts;
    if (isLast || strategy.failover === 'none' || !plan.canMove) return 'nobody';
    const query = this.#query();
    if (peers.find({ ...query, exclude: [...query.exclude, peerId] }) === undefined) return 'nobody';
    return plan.canContinue ? strategy.failover : 'beforeOutput';
  }

  /** Another one to ask beside those that are asked, as long as requests pay for it. */
  extra(): string | undefined {
    const { plan, peers } = this.#config;
    const found = plan.canMove ? peers.find(this.#query()) : undefined;
    return found !== undefined && peers.budget.take() ? found : undefined;
  }

  /** What a peer is told of the answer so far: all of it, or what it was told before when it is to repeat its own part. */
  prefixFor(peerId: string, answer: StitchedAnswer): AnswerPrefix | undefined {
    const { last, prefix } = answer;
    return last?.peerId === peerId ? last.prefix : prefix;
  }

  /** The peer that may be asked again: the last one, or when that is no use, one asked before that may still begin. */
  #repeatable(answer: StitchedAnswer, mayMove: boolean): string | undefined {
    const { last } = answer;
    const candidates = [...this.#asked].toReversed();
    if (candidates.length === 0) candidates.push(this.#config.peerId);
    return candidates.find((peerId) => {
      const canGiveIt = last === undefined || last.peerId === peerId || (mayMove && !answer.isBy(peerId));
      return canGiveIt && this.#failed.get(peerId)?.isFinal !== true;
    });
  }

  /**
   * Before anybody was asked: another one when the peer would be waited for, and may be replaced. Later: who suits best by now.
   * Those that have failed together were all told of the same one, and some have gone to it meanwhile.
   */
  #withRoom(peerId: string): string {
    const { peers, plan, strategy } = this.#config;
    if (peerId !== this.#config.peerId && !this.#failed.has(peerId))
      return peers.find(this.#query()) ?? peerId;
    const mayMove = this.#asked.length === 0 && strategy.failover !== 'none' && plan.canMove;
    if (!mayMove || peers.hasRoom(peerId, plan.method)) return peerId;
    return peers.find(this.#query()) ?? peerId;
  }

  /** Whether the peer would go on with what a relay would have cut: it has kept what it said. */
  #wantsRoom(error: RpcError, peerId: string, { last }: StitchedAnswer): boolean {
    const { makeRoom, plan } = this.#config;
    const canGiveIt = last === undefined || last.peerId === peerId;
    return this.#isCut(error, peerId) && canGiveIt && plan.isRepeatable && makeRoom !== undefined;
  }

  #isCut(error: RpcError | undefined, peerId: string): boolean {
    return RpcError.is(error, 'RELAY_LIMIT') && error.data.by === 'the peer' && error.data.peerId === peerId;
  }

  #makeRoom(peerId: string, { last }: StitchedAnswer): Promise<boolean> {
    const { saidBytes = 0 } = last ?? {};
    this.#inVain = this.#saidBytes !== undefined && saidBytes <= this.#saidBytes ? this.#inVain + 1 : 0;
    this.#saidBytes = saidBytes;
    const bytes = saidBytes + moreRoomBytes * 4 ** this.#inVain;
    return this.#config.makeRoom?.(peerId, bytes) ?? Promise.resolve(false);
  }

  #query(): AlternativeQuery {
    const { peerId, plan } = this.#config;
    const { model, features } = plan;
    const exclude = [...new Set([...this.#asked, ...this.#failed.keys()])];
    return { peerId, exclude, ...(model !== undefined && { model }), ...(features && { features }) };
  }

  async #look(): Promise<void> {
    const search = this.#config.peers.search(this.#query(), this.#config.signal);
    this.#search = search;
    const found = await search;
    if (this.#search === search) this.#found = found;
  }
}
