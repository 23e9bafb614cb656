import { LloomError, zeroAddress, zeroDigest, type EvmAddress } from '@lloom/core';
import { Refusal } from './errors.ts';
import { Execution } from './execution.ts';
import type { Dispatch, ExecutionHost, Task } from './executionTask.ts';
import { answerTtlMs } from './internal/answerChunks.ts';
import { AnswerRecord } from './internal/answerRecord.ts';
import type { Budget } from './internal/budget.ts';
import type { ExecutionJournal, JournalEntry } from './internal/executionJournal.ts';
import type { Follower } from './internal/following.ts';
import { KeptAnswer } from './internal/keptAnswer.ts';
import { lostMessage } from './internal/lastWords.ts';
import { nameOf, Outcomes, isSameQuestion, type Outcome, type Question } from './internal/outcomes.ts';
import { noRoom } from './internal/relayRoom.ts';
import { saidTexts } from './internal/saidTexts.ts';
import type { Slots } from './internal/slots.ts';
import type { ExecutionState } from './machines/execution.machine.ts';
import type { RpcRuntime } from './runtime.ts';
import type { LlmRequestMessage } from './types.ts';

/** What executions need of the service. */
export interface ExecutionsHost {
  readonly dispatch: Dispatch;
  /** Whether who answers can go on with what others began. */
  readonly canContinue: () => boolean;
  readonly slots: Slots;
  /** What requests and kept answers may have together. */
  readonly budget: Budget;
  /** Where executions outlive this process. @default nowhere */
  readonly journal: ExecutionJournal | undefined;
}

/** What is known of a request, beginning with when `verifying` has resolved. */
interface Proof {
  /** `undefined`: it cannot be known again. */
  question: Question | undefined;
  /** Whether its nonce was used up. */
  isFresh: boolean;
  verifying: Promise<unknown> | undefined;
}

const utf8 = new TextEncoder();
const inASecond = { retryAfterMs: 1_000 };

/** What runs for requests of others, and how it ended: each question of a signer is run once. */
export class Executions {
  readonly #runtime: RpcRuntime;
  readonly #host: ExecutionsHost;
  readonly #outcomes: Outcomes;
  /** Those that run, by the name of their question. */
  readonly #byName = new Map<string, Execution>();
  readonly #running = new Set<Execution>();
  /** Those that were given up without a word, and whose handler still works, by the name of their question. */
  readonly #ending = new Map<string, Execution>();
  readonly #noted = new WeakMap<Execution, JournalEntry>();
  readonly #executionHost: ExecutionHost;
  #loading: Promise<void> | undefined;
  #isLoaded: boolean;
  #isStopped = false;

  constructor(runtime: RpcRuntime, host: ExecutionsHost) {
    const { idempotencyTtlMs: ttlMs, maxIdempotencyKeys: maxKeys } = runtime.config;
    const { journal, dispatch, slots } = host;
    this.#runtime = runtime;
    this.#host = host;
    this.#isLoaded = journal === undefined;
    const onForgotten = (questions: readonly Question[]): void => void journal?.forget(questions);
    this.#outcomes = new Outcomes({ maxKeys, ttlMs, onForgotten }, runtime.clock);
    const note = journal && ((execution: Execution, question: Question) => this.#note(execution, question));
    this.#executionHost = {
      ...{ dispatch, slots, note },
      onEnd: (execution, state) => this.#onEnd(execution, state),
    };
  }

  /** Drops an answer that is kept, for something that is wanted more. `false`: there is none. */
  dropAnswer(): boolean {
    return this.#outcomes.dropAnswer();
  }

  /** Reads what was noted before this process. Never rejects: until it has succeeded, no question is run. */
  load(): Promise<void> {
    this.#isStopped = false;
    const { journal } = this.#host;
    if (journal === undefined || this.#isLoaded) return Promise.resolve();
    this.#loading ??= this.#load(journal).finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  /** Ends what runs because the node stops. */
  stop(): void {
    this.#isStopped = true;
    for (const execution of [...this.#running]) execution.stop();
  }

  /** Answers a ping as a question is answered. */
  ping(task: Omit<Task, 'question'>, first: Follower): void {
    this.#start({ ...task, question: undefined }, first);
  }

  /**
   * Proves a question, and gives the follower its answer: what was or is being said of it, or what is said from now on.
   * @throws what is wrong with it
   */
  async ask(message: LlmRequestMessage, head: Task['head'], follower: Follower): Promise<void> {
    for (;;) {
      const proof = this.#prove(message, follower.peerId);
      try {
        if (proof.verifying !== undefined) await proof.verifying;
      } catch (error) {
        throw this.#unproven(error, follower);
      }
      // The client may have left meanwhile: then nobody is asked.
      if (!follower.isWaiting) return;
      const { question, isFresh } = proof;
      const known = question && this.#find(question);
      // What it was to repeat may be gone meanwhile.
      if (!isFresh && this.#wantsFresh(question, known, follower.peerId)) continue;
      if (known !== undefined && question !== undefined)
        return this.#join(known, { message, head, question }, follower);
      if (message.prefix !== undefined && !this.#host.canContinue())
        throw new Refusal('CANNOT_CONTINUE', saidTexts.cannotContinue);
      this.#checkRoom(follower.peerId, question);
      return this.#start({ message, head, question }, follower);
    }
  }

  #prove({ request, prefix }: LlmRequestMessage, peerId: string): Proof {
    const { verifier, signer, config, network } = this.#runtime;
    const proof: Proof = { question: undefined, isFresh: true, verifying: undefined };
    const isChecked = config.signatures !== 'ignore';
    const own = verifier?.addressOf(network.peerId) ?? signer?.address;
    if (verifier === undefined || (isChecked && own === undefined)) {
      if (!isChecked) return proof;
      throw new Refusal('SIGNATURE_REFUSED', 'this node verifies no signatures', { reason: 'NO_VERIFIER' });
    }
    const prefixDigest = prefix === undefined ? zeroDigest : verifier.digest(utf8.encode(prefix.text));
    const prove = (address: string): void => {
      this.#checkLoaded();
      const { idempotencyKey } = request.payload;
      const by = address.toLowerCase();
      const requestDigest = verifier.digest(request.payloadBytes);
      const name = nameOf(by, idempotencyKey);
      proof.question = { name, signer: by, idempotencyKey, requestDigest, prefixDigest };
    };
    if (!isChecked || own === undefined) {
      prove(request.signer);
      return proof;
    }
    proof.verifying = verifier.verify(request, {
      payloadType: 'LlmRequest',
      audience: [own, zeroAddress],
      inReplyTo: prefixDigest,
      // A nonce is used up by what is run, or told to somebody else than who has asked for it.
      once: (proven) => {
        prove(proven.signer);
        const known = proof.question && this.#find(proof.question);
        proof.isFresh = this.#wantsFresh(proof.question, known, peerId);
        // Whoever is told BUSY may send the same again.
        if (proof.isFresh && known === undefined) this.#checkRoom(peerId, proof.question);
        return proof.isFresh;
      },
    });
    return proof;
  }

  /** What is not known yet may have been run before this process. */
  #checkLoaded(): void {
    if (this.#isLoaded) return;
    void this.load();
    throw new Refusal('BUSY', saidTexts.noNotes, inASecond);
  }

  #checkRoom(peerId: string, question: Question | undefined): void {
    const { slots } = this.#host;
    const full = slots.full(peerId);
    if (full !== undefined) throw new Refusal('BUSY', saidTexts.noSlot, full);
    const former = question && this.#ending.get(question.name);
    if (former === undefined || !slots.holds(former)) return;
    const { queueDepth } = slots.load;
    throw new Refusal('BUSY', saidTexts.stillWorking, {
      ...inASecond,
      queueDepth,
    });
  }

  #unproven(error: unknown, follower: Follower): unknown {
    if (error instanceof Refusal) return error;
    const refused = (message: string, reason: string): Refusal =>
      new Refusal('SIGNATURE_REFUSED', message, { reason });
    if (LloomError.isLloomError(error) && error.code === 'WRONG_REPLY')
      return refused('the request is signed for another beginning of its answer', 'WRONG_PREFIX');
    if (LloomError.isLloomError(error)) return error;
    this.#runtime.watch.trouble('a signature could not be checked', error, follower);
    return refused('the signature could not be checked', 'INTERNAL');
  }

  #find(question: Question): Execution | Outcome | undefined {
    return this.#byName.get(question.name) ?? this.#outcomes.get(question.name);
  }

  /** Whether a request must be newer than all before it. What was told to a peer may be told to it, or to its owner, again. */
  #wantsFresh(
    question: Question | undefined,
    known: Execution | Outcome | undefined,
    peerId: string,
  ): boolean {
    if (question === undefined || known === undefined) return true;
    // It is refused, whenever it was signed.
    if (!isSameQuestion(questionOf(known), question)) return false;
    if (known.peerId === peerId) return false;
    return this.#runtime.verifier?.addressOf(peerId)?.toLowerCase() !== question.signer;
  }

  #join(
    known: Execution | Outcome,
    { question, head }: Task & { readonly question: Question },
    follower: Follower,
  ): void {
    const conflict = (why: string): Refusal => new Refusal('IDEMPOTENCY_CONFLICT', why);
    if (!isSameQuestion(questionOf(known), question)) throw conflict(saidTexts.otherRequest);
    const inChunks = known instanceof Execution ? known.task.head.stream : known.inChunks;
    if (inChunks && !head.stream) throw conflict(saidTexts.otherForm);
    // What its client could not prove any more is no answer.
    if (this.#runtime.clock.elapsed() >= known.provableUntilMs)
      throw new Refusal('REQUEST_LOST', saidTexts.lost);
    this.#checkFits(known.record?.end ?? 0, follower);
    if (known instanceof Execution) return known.join(follower);
    if (known.record === undefined) throw new Refusal('REQUEST_LOST', saidTexts.lost);
    follower.onStarted();
    const kept = new KeptAnswer(known.record);
    follower.follow(kept);
    kept.join(follower);
  }

  /** @throws {Refusal} `RELAY_LIMIT` when what was said would be cut off on its way */
  #checkFits(bytes: number, { bytesLeft }: Follower): void {
    const error = bytes === 0 ? undefined : noRoom(bytes, bytesLeft);
    if (error !== undefined) throw error;
  }

  #start(task: Task, first: Follower): void {
    const { config } = this.#runtime;
    const record = new AnswerRecord(task.question ? config.maxKeptAnswerBytes : 0, this.#host.budget);
    const execution = new Execution(this.#runtime, task, { first, record, host: this.#executionHost });
    this.#running.add(execution);
    if (task.question !== undefined) this.#byName.set(task.question.name, execution);
    execution.join(first);
    execution.start();
  }

  #onEnd(execution: Execution, state: ExecutionState): void {
    const { task, record, peerId } = execution;
    const { question } = task;
    this.#running.delete(execution);
    if (question === undefined) return;
    this.#byName.delete(question.name);
    const isKept = execution.isKnownAfter(state);
    if (state === 'lost' && record.isWhole) record.add('error', lostMessage);
    const isTold = isKept && record.isWhole && ['answered', 'failed', 'lost'].includes(state);
    record.close();
    if (!isTold) record.release();
    const { provableUntilMs } = execution;
    const kept = { record: isTold ? record : undefined, provableUntilMs };
    if (isKept) this.#outcomes.add({ question, peerId, inChunks: task.head.stream, ...kept });
    else this.#noteEnding(execution, question);
    const entry = this.#noted.get(execution);
    // What is interrupted is told as lost after the next start.
    if (entry === undefined || state === 'interrupted') return;
    if (isKept) this.#noteEnd(entry, isTold ? record : undefined);
    else void this.#host.journal?.forget([question]);
  }

  /** A key is not run beside itself: as long as its handler works, it is not run again. */
  #noteEnding(execution: Execution, { name }: Question): void {
    const { slots } = this.#host;
    for (const [known, ending] of this.#ending) if (!slots.holds(ending)) this.#ending.delete(known);
    if (slots.holds(execution)) this.#ending.set(name, execution);
  }

  /** Writes down that a question is run, before it is. */
  async #note(execution: Execution, question: Question): Promise<void> {
    const { journal } = this.#host;
    const { peerId, task } = execution;
    const acceptedAt = Math.floor(this.#runtime.clock.now());
    const entry = { question, peerId, acceptedAt, inChunks: task.head.stream };
    this.#noted.set(execution, entry);
    await journal?.put(entry);
  }

  #noteEnd(entry: JournalEntry, record: AnswerRecord | undefined): void {
    const ended: JournalEntry = record
      ? { ...entry, outcome: 'told', answer: record.bytes }
      : { ...entry, outcome: 'lost' };
    this.#put(ended);
  }

  /** Nobody waits for it: when it fails, the question counts as lost after the next start. */
  #put(entry: JournalEntry): void {
    const { journal } = this.#host;
    const { peerId, question } = entry;
    const about = { peerId, method: 'llmRequest', key: question.idempotencyKey };
    journal?.put(entry).catch((error: unknown) => {
      this.#runtime.network.log('the end of a request could not be noted', error, about);
    });
  }

  async #load(journal: ExecutionJournal): Promise<void> {
    const { network, events } = this.#runtime;
    try {
      const { entries, damaged } = await journal.load();
      if (damaged > 0) network.log(`${damaged} damaged notes of requests were dropped`, undefined);
      for (const entry of entries) this.#restore(entry);
      this.#isLoaded = true;
      const unended = entries.filter(({ outcome }) => outcome === undefined);
      // Whom nobody hears before the node stops is told again after the next start.
      if (unended.length > 0) events.whenObserved('request:lost', () => this.#tell(unended));
    } catch (error) {
      network.log('the notes of requests cannot be read: none is run', error);
    }
  }

  /** By the clock of then nothing is forgotten: it may have been wrong, or this one is. */
  #restore({ question, peerId, inChunks, acceptedAt, answer }: JournalEntry): void {
    const record = answer && restored(answer, this.#host.budget);
    const { clock } = this.#runtime;
    const ageMs = Math.max(0, clock.now() - acceptedAt);
    const provableUntilMs = clock.elapsed() + answerTtlMs - ageMs;
    this.#outcomes.add({ question, peerId, inChunks, record, provableUntilMs });
  }

  #tell(unended: readonly JournalEntry[]): void {
    if (this.#isStopped) return;
    const { events } = this.#runtime;
    for (const entry of unended) {
      const { question, peerId, acceptedAt } = entry;
      const { signer, idempotencyKey } = question;
      events.emit('request:lost', { signer: signer as EvmAddress, idempotencyKey, peerId, acceptedAt });
      // It may have been forgotten, and asked and answered anew.
      if (this.#outcomes.get(question.name)?.question === question) this.#put({ ...entry, outcome: 'lost' });
    }
  }
}

function questionOf(known: Execution | Outcome): Question | undefined {
  return known instanceof Execution ? known.task.question : known.question;
}

function restored(answer: Uint8Array, budget: Budget): AnswerRecord | undefined {
  try {
    return AnswerRecord.from(answer, budget);
  } catch {
    return undefined;
  }
}
