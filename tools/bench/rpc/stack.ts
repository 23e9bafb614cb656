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
  close(): Promise<void>;
}

/** A client that is connected. A stack has the kinds of requests that its rows need. */
export interface Client {
  /** Sends a request and gives its whole answer, which has a length. */
  unary?(body: Uint8Array): Promise<{ readonly length: number }>;
  /** Asks for an answer in tokens, and tells of each one as it arrives. */
  stream?(plan: AnswerPlan, onToken: (text: string) => void): Promise<void>;
  close(): Promise<void>;
}

/** How a server streams one answer. */
export interface AnswerPlan {
  readonly tokens: number;
  /** The pause before each token, in ms; 0 for as fast as the client takes them. */
  readonly everyMs: number;
}

/** Says that a stack cannot run on this machine. Its rows are left out. */
export class Missing extends Error {}

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
