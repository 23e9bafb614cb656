import { createHash } from 'node:crypto';
import { Key, type Datastore } from 'interface-datastore';
import type { ExecutionJournal, JournalContent, JournalEntry } from '../internal/executionJournal.ts';
import { nameOf, type Question } from '../internal/outcomes.ts';

const prefix = '/lloom/rpc/executions/1';
/** What all answers may have together, in bytes; the oldest are not kept beyond it. */
const maxAnswerBytes = 64 * 1024 * 1024;
const checksumBytes = 16;
const lengthBytes = 4;
const digestForm = /^0x[0-9a-f]{64}$/;

/** A journal in a datastore; `undefined` when there is none to write to. */
export function openJournal(datastore: Datastore | undefined): ExecutionJournal | undefined {
  return datastore && new DatastoreJournal(datastore);
}

/** An entry whose answer may be dropped later. */
interface Answered {
  readonly entry: JournalEntry;
  readonly bytes: number;
}

/**
 * Executions in a datastore, one record each: `<sha256 of signer and key>` -> a checksum over key and value, what is known of
 * it as JSON, and the messages of the answer. A damaged record is never mistaken for another one.
 */
export class DatastoreJournal implements ExecutionJournal {
  readonly #datastore: Datastore;
  readonly #maxAnswerBytes: number;
  /** By key, the oldest first. */
  readonly #answers = new Map<string, Answered>();
  #answerBytes = 0;
  /** The last write of each key that has not settled. */
  readonly #writing = new Map<string, Promise<void>>();

  constructor(datastore: Datastore, limit = maxAnswerBytes) {
    this.#datastore = datastore;
    this.#maxAnswerBytes = limit;
  }

  async load(): Promise<JournalContent> {
    const entries: JournalEntry[] = [];
    const damaged: string[] = [];
    for await (const { key, value } of this.#datastore.query({ prefix: `${prefix}/` })) {
      const entry = unseal(key.toString(), value);
      if (entry === undefined) damaged.push(key.toString());
      else entries.push(entry);
    }
    entries.sort((a, b) => a.acceptedAt - b.acceptedAt);
    for (const entry of entries) this.#count(keyOf(entry.question), entry);
    await this.#forgetKeys(damaged);
    return { entries, damaged: damaged.length };
  }

  async put(entry: JournalEntry): Promise<void> {
    const key = keyOf(entry.question);
    const counted = this.#count(key, entry);
    await this.#write(key, () => this.#datastore.put(new Key(key), seal(key, counted)));
  }

  forget(questions: readonly Question[]): Promise<void> {
    return this.#forgetKeys(questions.map(keyOf));
  }

  async settled(): Promise<void> {
    while (this.#writing.size > 0) await Promise.allSettled(this.#writing.values());
  }

  async #forgetKeys(keys: readonly string[]): Promise<void> {
    const forgetting = keys.map((key) => {
      this.#uncount(key);
      return this.#write(key, () => this.#datastore.delete(new Key(key)));
    });
    await Promise.allSettled(forgetting);
  }

  /** Writes when what was to be written of the key before is. */
  #write(key: string, act: () => unknown): Promise<void> {
    const before = this.#writing.get(key);
    const run = async (): Promise<void> => {
      await before?.catch(() => undefined);
      await act();
    };
    const writing = run();
    this.#writing.set(key, writing);
    const end = (): void => {
      if (this.#writing.get(key) === writing) this.#writing.delete(key);
    };
    writing.then(end, end);
    return writing;
  }

  /** Makes room for an answer; gives the entry as it is to be written. */
  #count(key: string, given: JournalEntry): JournalEntry {
    this.#uncount(key);
    const { answer, ...entry } = given;
    if (answer === undefined) return given;
    if (answer.length > this.#maxAnswerBytes) return { ...entry, outcome: 'lost' };
    for (const [oldest, answered] of this.#answers) {
      if (this.#answerBytes + answer.length <= this.#maxAnswerBytes) break;
      this.#dropAnswer(oldest, answered);
    }
    this.#answers.set(key, { entry, bytes: answer.length });
    this.#answerBytes += answer.length;
    return given;
  }

  #uncount(key: string): void {
    this.#answerBytes -= this.#answers.get(key)?.bytes ?? 0;
    this.#answers.delete(key);
  }

  #dropAnswer(key: string, { entry }: Answered): void {
    this.#uncount(key);
    const lost = seal(key, { ...entry, outcome: 'lost' });
    // What stays when it fails is dropped again after the next start.
    this.#write(key, () => this.#datastore.put(new Key(key), lost)).catch(() => undefined);
  }
}

function keyOf({ name }: Question): string {
  return `${prefix}/${createHash('sha256').update(name).digest('hex')}`;
}

function seal(key: string, { answer, question, ...entry }: JournalEntry): Uint8Array {
  const { name: _, ...known } = question;
  const head = Buffer.from(JSON.stringify({ ...entry, ...known, hasAnswer: answer !== undefined }));
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(head.length);
  const content = Buffer.concat([length, head, answer ?? new Uint8Array(0)]);
  return Buffer.concat([checksumOf(key, content), content]);
}

function unseal(key: string, value: Uint8Array): JournalEntry | undefined {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  const content = bytes.subarray(checksumBytes);
  if (content.length < lengthBytes || !checksumOf(key, content).equals(bytes.subarray(0, checksumBytes)))
    return undefined;
  const headEnd = lengthBytes + content.readUInt32BE();
  try {
    const head = JSON.parse(content.toString('utf8', lengthBytes, headEnd)) as Head;
    const entry = entryOf(head);
    if (entry === undefined || keyOf(entry.question) !== key) return undefined;
    // A view would hold what the datastore read with it.
    return head.hasAnswer === true ? { ...entry, answer: new Uint8Array(content.subarray(headEnd)) } : entry;
  } catch {
    return undefined;
  }
}

/** What the JSON of a record holds, as far as it is as it should be. */
type Head = Readonly<
  Partial<Record<keyof Question | keyof Omit<JournalEntry, 'question' | 'answer'> | 'hasAnswer', unknown>>
>;

function entryOf(head: Head): JournalEntry | undefined {
  const { signer, idempotencyKey, requestDigest, prefixDigest, peerId, acceptedAt, inChunks, outcome } = head;
  const areTexts = [signer, idempotencyKey, peerId].every((text) => typeof text === 'string');
  const areDigests = [requestDigest, prefixDigest].every((text) => digestForm.test(String(text)));
  const isOutcome = outcome === undefined || outcome === 'told' || outcome === 'lost';
  if (!areTexts || !areDigests || !isOutcome || !Number.isSafeInteger(acceptedAt)) return undefined;
  const name = nameOf(signer as string, idempotencyKey as string);
  const question = { name, signer, idempotencyKey, requestDigest, prefixDigest } as Question;
  const known = {
    question,
    peerId: peerId as string,
    acceptedAt: acceptedAt as number,
    inChunks: inChunks === true,
  };
  return outcome === undefined ? known : { ...known, outcome };
}

function checksumOf(key: string, content: Uint8Array): Buffer {
  return createHash('sha256').update(key).update(content).digest().subarray(0, checksumBytes);
}
