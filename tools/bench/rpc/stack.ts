/** What a request of the unary rows holds, in bytes. */
export const requestBytes = 512;
/** What its answer holds, in bytes. */
export const answerBytes = 2_048;
/** What a token of a streamed answer holds, in bytes. */
export const tokenBytes = 64;

/** A way to ask another process, with everything that both ends of it need. */
export interface Stack {
  /** The server's side, on loopback, in a process of its own. */
  startServer(): Promise<Server>;
  /** The client's side, in another process. `address` is what the server gave. */
  connect(address: string): Promise<Client>;
}

/** A server that answers until it is closed. */
export interface Server {
  /** Whatever a client needs to find it. */
  readonly address: string;
  /** What kept its process from everything else since it was asked last. */
  blocked?(): Promise<Blocked>;
  close(): Promise<void>;
}

/** A client that is connected. A stack has the kinds of requests that its rows need. */
export interface Client {
  /**
   * Sends a request and gives its whole answer, which has a length.
   * @throws {Refused} when the server has no room for it
   */
  unary?(body: Uint8Array): Promise<{ readonly length: number }>;
  /** Asks for an answer in tokens, and tells of each one as it arrives. */
  stream?(plan: AnswerPlan, onToken: (text: string) => void): Promise<void>;
  /** Asks for an answer whose server may be killed on the way, and gives how long that took, in ms. */
  failOver?(round: FailoverRound): Promise<number>;
  /** What kept its process from everything else since it was asked last. */
  blocked?(): Promise<Blocked>;
  close(): Promise<void>;
}

/** How a server streams one answer. */
export interface AnswerPlan {
  readonly tokens: number;
  /** The pause before each token, in ms; 0 for as fast as the client takes them. */
  readonly everyMs: number;
}

/** One answer for which a server stands by. */
export interface FailoverRound {
  /** The address of the server that is asked. */
  readonly executor: string;
  readonly plan: AnswerPlan;
  /** After how many tokens that server is killed. @default it is not */
  readonly killAfter?: number;
}

/** What kept the event loop of a process from its turns, in ms. */
export interface Blocked {
  /**
   * What the signatures of one turn take together, made and checked, in the turn that has most of them. Each counts as what one
   * takes alone: who else had the core meanwhile does not count.
   */
  readonly longestTurnMs: number;
  /** What making one takes alone, or checking one when that is more. */
  readonly longestCallMs: number;
  /** By how much all but one in a thousand turns were late at most, whatever the reason. */
  readonly delayP999Ms: number;
}

/** Says that a server had no room for a request, which it did not run. */
export class Refused extends Error {}

/** Says that a stack cannot run on this machine. Its rows are left out. */
export class Missing extends Error {}

/**
 * The executor of the overload rows: how many requests it works on at the same time, how long on each, in ms, and how many
 * wait. A queue of half the slots makes who waits wait for about half of the work at most.
 */
export const smallExecutor = {
  capacity: 16,
  workMs: 40,
  maxQueuedRequests: 8,
  maxQueuedRequestsPerPeer: 4,
} as const;

/** What answers a unary request. */
export const answer: Uint8Array = new Uint8Array(answerBytes).fill(0x61);

/** Reads a plan that travelled as text. */
export const readPlan = (text: string): AnswerPlan => JSON.parse(text) as AnswerPlan;

const plainToken = 'x'.repeat(tokenBytes);

/** Microseconds by a clock that all processes of a machine share. */
const nowUs = (): number => Number(process.hrtime.bigint() / 1_000n);

/** The tokens of an answer. One that is paced says when it was produced. */
export async function* tokensOf({ tokens, everyMs }: AnswerPlan): AsyncGenerator<string> {
  for (let i = 0; i < tokens; i++) {
    if (everyMs > 0) await new Promise((resolve) => setTimeout(resolve, everyMs));
    yield everyMs > 0 ? `${nowUs()}`.padEnd(tokenBytes) : plainToken;
  }
}

/** How long a paced token was on its way, in ms. */
export const ageMs = (token: string): number => (nowUs() - Number(token)) / 1_000;
