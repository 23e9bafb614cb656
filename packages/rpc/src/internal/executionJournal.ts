import type { Question } from './outcomes.ts';

/** What is written down of an execution. */
export interface JournalEntry {
  readonly question: Question;
  /** Who asked first. */
  readonly peerId: string;
  /** In ms since 1970, by the clock of then. */
  readonly acceptedAt: number;
  readonly inChunks: boolean;
  /** `undefined`: it has not ended. */
  readonly outcome?: 'told' | 'lost';
  /** Every message of the answer, as a record holds them. */
  readonly answer?: Uint8Array;
}

/** What was found in a journal. */
export interface JournalContent {
  /** The oldest first. */
  readonly entries: readonly JournalEntry[];
  /** How many could not be read; they are gone. */
  readonly damaged: number;
}

/** Where executions outlive their process. What is written of one question is written in order. */
export interface ExecutionJournal {
  /** @throws what the datastore throws */
  load(): Promise<JournalContent>;
  /** Writes an entry in the place of what there was of the question. Rejects when it may not have been written. */
  put(entry: JournalEntry): Promise<void>;
  /** Forgets questions. Never rejects: an entry that stays is forgotten another time. */
  forget(questions: readonly Question[]): Promise<void>;
  /** Resolves when all is written. Never rejects. */
  settled(): Promise<void>;
}
