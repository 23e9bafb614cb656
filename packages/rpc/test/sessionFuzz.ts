import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  encodeAnswerChunk,
  encodeAnswerEnd,
  encodeCredit,
  encodeErrorFrame,
  encodeOpenHead,
  encodeRequestMessage,
  joinOpen,
  sessionFrame,
  SessionDecoder,
  type SessionFrame,
} from '@lloom/codec';
import { Identity } from '@lloom/identity';
import { seededRandom } from '@lloom/simkit';
import { expect } from 'vitest';
import { Refusal, RpcError } from '../src/index.ts';
import type { SessionLinkUser } from '../src/ports.ts';
import { chooser, chunking, mutated, type Chooser } from './sessionMutants.ts';
import { pattern, turnOfPromises } from './sessionProbes.ts';
import type { LinkEnd, Links } from './sessionLinks.ts';
import { bytesProtocol, constantSigner, World, type TestService } from './sessionServices.ts';

const sessionsAtOnce = 100;
const nothing = new Uint8Array(0);
const large = pattern(300_000);
const body = pattern(80_000);
const limits = { maxInboundRequests: 500, maxInboundRequestsPerPeer: 400, maxPendingRequests: 5_000 };
const config = { signatures: 'ignore', signer: constantSigner, ...limits } as const;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Memory that somebody holds, in bytes. What a buffer had is given back some time after it was forgotten. */
export async function heldBytes(): Promise<{ readonly heap: number; readonly buffers: number }> {
  for (let time = 0; time < 4; time++) {
    collectGarbage();
    await turnOfPromises();
  }
  const { heapUsed: heap, arrayBuffers: buffers } = process.memoryUsage();
  return { heap, buffers };
}

async function usedBytes(): Promise<number> {
  const { heap, buffers } = await heldBytes();
  return heap + buffers;
}

/** What came of many conversations. */
export interface FuzzResult {
  /** Conversations in which the session survived. */
  survived: number;
  /** How requests ended, and how often. */
  readonly ends: Map<string, number>;
  /** How much more memory is in use than after the first tenth, in bytes. */
  grownBytes: number;
  /** Everything that was thrown where nobody may throw, and rules that were broken. */
  readonly wrong: unknown[];
}

/** What a leak of some bytes a conversation would come to. */
const maxGrowthBytes = 16 * 1024 * 1024;

/** Fails unless nothing was thrown, all rules were kept, and no memory is in use that was not before. */
export function expectHarmless(result: FuzzResult): FuzzResult {
  expect(result.wrong.slice(0, 5)).toEqual([]);
  expect(result.grownBytes).toBeLessThan(maxGrowthBytes);
  return result;
}

function count(ends: Map<string, number>, end: string): void {
  ends.set(end, (ends.get(end) ?? 0) + 1);
}

/** Pieces of one message as frames; the last one is `last`. */
function pieces(
  choose: Chooser,
  message: Uint8Array,
  { id, last }: { readonly id: number; readonly last: 'body' | 'end' },
): SessionFrame[] {
  const frames: SessionFrame[] = [];
  let at = 0;
  while (choose.may(0.3) && frames.length < 4) {
    const size = choose.pick([0, 1, 10, 1_000]);
    frames.push({ kind: sessionFrame.body, id, more: true, payload: message.subarray(at, at + size) });
    at = Math.min(message.length, at + size);
  }
  frames.push({ kind: sessionFrame[last], id, more: false, payload: message.subarray(at) });
  return frames;
}

const usualMethods = ['ping', '/e/1', '/e/1', '/a/1', '/n/1', '/t/1', '/r/1', '/none/1'];
const ping = encodeRequestMessage({ type: 'ping' });

/** What a client says that makes some requests. */
function requestFrames(choose: Chooser, question: Uint8Array): SessionFrame[] {
  const { pick, may, upTo } = choose;
  const requests = Array.from({ length: 1 + upTo(4) }, (_, index) => {
    const id = index + 1;
    const rare = may(0.05) ? pick(['/l/1', 'llmRequest', 'llmRequest', 'llmRequest']) : undefined;
    const method = rare ?? pick(usualMethods);
    const message =
      method === 'ping'
        ? ping
        : method === 'llmRequest'
          ? question
          : body.subarray(0, pick([0, 5, 50, 50, 500]));
    const first = may(0.7) ? message.length : upTo(message.length + 1);
    const size = may(0.5) && first < message.length ? { sizeBytes: message.length } : {};
    const metadata = may(0.2) ? { a: 'b' } : {};
    const head = encodeOpenHead({ method, stream: may(0.5), metadata, timeoutMs: 1_000, ...size });
    const open = { kind: sessionFrame.open, id, more: first < message.length };
    const frames: SessionFrame[] = [{ ...open, payload: joinOpen(head, message.subarray(0, first)) }];
    if (open.more) frames.push(...pieces(choose, message.subarray(first), { id, last: 'end' }));
    if (may(0.2)) frames.push({ kind: sessionFrame.credit, id, more: false, payload: encodeCredit(100_000) });
    if (may(0.2)) frames.push({ kind: sessionFrame.cancel, id, more: false, payload: nothing });
    return frames;
  });
  return interleaved(requests, choose);
}

/** The frames of several requests, each in its order. They begin in the order of their numbers. */
function interleaved(requests: readonly SessionFrame[][], { upTo }: Chooser): SessionFrame[] {
  const left = requests.map((frames) => [...frames]);
  const opened: SessionFrame[][] = [];
  const merged: SessionFrame[] = [];
  while (left.length + opened.length > 0) {
    const at = upTo(opened.length + Math.min(1, left.length));
    if (at === opened.length) opened.push(left.shift()!);
    merged.push(opened[at]!.shift()!);
    if (opened[at]!.length === 0) opened.splice(at, 1);
  }
  return merged;
}

/** Watches that what a server says follows the rules. */
class Client implements SessionLinkUser {
  readonly ends: Map<string, number>;
  readonly #ended = new Set<number>();
  readonly #decoder: SessionDecoder;

  constructor(ends: Map<string, number>) {
    this.ends = ends;
    this.#decoder = new SessionDecoder((frame) => this.#take(frame));
  }

  onBytes(bytes: Uint8Array): void {
    this.#decoder.push(bytes);
  }

  onDrain(): void {}

  onClosed(): void {}

  #take({ kind, id }: SessionFrame): void {
    if (kind === sessionFrame.open || kind === sessionFrame.cancel)
      throw new Error('a server asked something');
    if (kind === sessionFrame.credit) return;
    if (this.#ended.has(id)) throw new Error(`request ${id} was answered again after its end`);
    if (kind === sessionFrame.body) return;
    this.#ended.add(id);
    count(this.ends, kind === sessionFrame.end ? 'answered' : 'refused');
  }
}

async function createServer(world: World): Promise<TestService> {
  const server = await world.add('server', config);
  const handlers = {
    '/e/1': (bytes: Uint8Array) => bytes,
    '/a/1': (bytes: Uint8Array) => Promise.resolve(bytes),
    '/n/1': () => new Promise<Uint8Array>(() => undefined),
    '/t/1': () => {
      throw new Error('broken');
    },
    '/r/1': () => Promise.reject(new Refusal('BUSY', 'no', { retryAfterMs: 0.5 })),
    '/l/1': () => large,
  };
  for (const [name, handle] of Object.entries(handlers))
    await server.rpc.addProtocol(bytesProtocol(name, (_, bytes) => handle(bytes)));
  server.rpc.serve(async function* () {
    for (const word of ['one ', 'two ', 'x'.repeat(20_000)]) yield word;
  });
  return server;
}

/** Lets clients that have lost their minds talk to a service. */
export async function fuzzServing(seed: number, conversations: number): Promise<FuzzResult> {
  const choose = chooser(seededRandom(`serving/${seed}`));
  const world = new World();
  const server = await createServer(world);
  const asker = Identity.fromPrivateKey(`0x${'11'.repeat(32)}`);
  const request = await asker.sign({ model: 'm', prompt: 'p' }, { to: server.identity.evmAddress });
  const question = encodeRequestMessage({ type: 'llmRequest', request });
  const result: FuzzResult = { survived: 0, ends: new Map(), grownBytes: 0, wrong: [] };
  let before = 0;
  for (let done = 0; done < conversations; done += sessionsAtOnce) {
    const open: Links[] = [];
    for (let index = 0; index < sessionsAtOnce; index++) {
      const links = world.connect(server, { chunkBytes: chunking(choose) });
      open.push(links);
      links.near.attach(new Client(result.ends));
      links.near.write([mutated(requestFrames(choose, question), choose)]);
      links.run();
      if (choose.may(0.1)) void links.near.close();
      if (choose.may(0.1)) links.near.abort(new Error('enough'));
    }
    await finish(open, result);
    const { rpc, ledger } = server;
    if (rpc.activeInbound + ledger.timers.size > 0)
      result.wrong.push(`${rpc.activeInbound} requests and ${ledger.timers.size} timers are left`);
    world.notes.length = 0;
    if (before === 0 && done >= conversations / 10) before = await usedBytes();
  }
  result.grownBytes = (await usedBytes()) - before;
  return result;
}

/** Lets promises settle, looks who has survived, and cuts what is left. */
async function finish(open: readonly Links[], result: FuzzResult): Promise<void> {
  for (let turn = 0; turn < 4; turn++) {
    await turnOfPromises();
    for (const links of open) links.run();
  }
  for (const { near, far } of open) {
    if (far.closedBy === undefined) result.survived++;
    near.cut();
    result.wrong.push(...near.thrown, ...far.thrown);
  }
  for (let turn = 0; turn < 4; turn++) await turnOfPromises();
}

const chunkOf = (sequence: number): Uint8Array =>
  encodeAnswerChunk({ type: 'chunk', sequence, text: 'word ', tokens: 1 });

/** What a server says that answers some requests, by their numbers and methods. */
function answerFrames(choose: Chooser, asked: ReadonlyMap<number, string>): SessionFrame[] {
  const { pick, may, upTo } = choose;
  const answers = [...asked].map(([id, method]) => {
    const frames: SessionFrame[] = [];
    if (may(0.3)) frames.push({ kind: sessionFrame.credit, id, more: false, payload: encodeCredit(100_000) });
    const chunks = method === 'llmRequest' ? upTo(4) : 0;
    for (let sequence = 0; sequence < chunks; sequence++)
      frames.push(...pieces(choose, chunkOf(sequence), { id, last: 'body' }));
    if (may(0.2)) {
      const error = { type: 'error', code: pick(['BUSY', 'REMOTE', 'WHO_KNOWS']), message: 'no' } as const;
      frames.push({ kind: sessionFrame.error, id, more: false, payload: encodeErrorFrame(error) });
    } else if (may(0.9)) {
      const end =
        method === 'ping'
          ? encodeAnswerEnd({ type: 'end', response: { type: 'pong' } })
          : body.subarray(0, pick([0, 9, 900]));
      frames.push(...pieces(choose, end, { id, last: 'end' }));
    }
    return frames;
  });
  return interleaved(
    answers.filter(({ length }) => length > 0),
    choose,
  );
}

/** A peer that answers a client's requests when it is told to. */
class Server implements SessionLinkUser {
  readonly end: LinkEnd;
  /** The requests that were made, by number. */
  readonly asked = new Map<number, string>();
  readonly #decoder = new SessionDecoder(({ kind, id }) => {
    if (kind === sessionFrame.open) this.asked.set(id, 'open');
  });

  constructor(end: LinkEnd) {
    this.end = end;
    end.attach(this);
  }

  onBytes(bytes: Uint8Array): void {
    this.#decoder.push(bytes);
  }

  onDrain(): void {}

  onClosed(): void {}
}

/** Lets a service ask servers that have lost their minds. */
export async function fuzzAsking(seed: number, conversations: number): Promise<FuzzResult> {
  const choose = chooser(seededRandom(`asking/${seed}`));
  const { pick, upTo, may } = choose;
  const world = new World({ links: () => ({ chunkBytes: chunking(choose) }) });
  const client = await world.add('client', config);
  const peers = Array.from({ length: sessionsAtOnce }, (_, index) =>
    Identity.fromPrivateKey(`0x${(index + 1).toString(16).padStart(64, '0')}`),
  );
  const servers = new Map<string, Server>();
  for (const { peerId } of peers) world.handle(peerId, (far) => servers.set(peerId, new Server(far)));
  const question = await client.identity.sign({ model: 'm', prompt: 'p' });
  const result: FuzzResult = { survived: 0, ends: new Map(), grownBytes: 0, wrong: [] };
  const settled = new Map<string, number>();

  const ask = (peerId: string, method: string, name: string): void => {
    const { rpc } = client;
    const work: Promise<unknown> =
      method === 'ping'
        ? rpc.request(peerId, { type: 'ping' })
        : method === 'llmRequest'
          ? rpc.stream(peerId, { type: 'llmRequest', request: question }).result
          : rpc.callProtocol(peerId, bytesProtocol('/e/1'), may(0.02) ? body : body.subarray(0, 5));
    const end = (ending: string): void => {
      count(settled, name);
      count(result.ends, ending);
    };
    work.then(
      () => end('answered'),
      (error: unknown) => end(RpcError.is(error) ? error.code : 'no error of ours'),
    );
  };

  let before = 0;
  for (let done = 0; done < conversations; done += sessionsAtOnce) {
    settled.clear();
    world.links.length = 0;
    let requests = 0;
    const methods = peers.map(({ peerId }) => {
      const wanted = Array.from({ length: 1 + upTo(4) }, () => pick(['ping', 'llmRequest', '/e/1', '/e/1']));
      for (const method of wanted) ask(peerId, method, `${peerId} ${requests++}`);
      return wanted;
    });
    for (let turn = 0; turn < 4; turn++) await turnOfPromises();
    for (const links of world.links) links.run();
    for (const [index, { peerId }] of peers.entries()) {
      const { asked, end } = servers.get(peerId)!;
      const answered = new Map([...asked.keys()].map((id) => [id, methods[index]![id - 1] ?? 'ping']));
      end.write([mutated(answerFrames(choose, answered), choose)]);
      if (may(0.1)) void end.close();
      if (may(0.1)) end.abort(new Error('enough'));
    }
    for (const links of world.links) links.run();
    await finish(world.links, result);
    const { rpc, ledger } = client;
    const isWrong = settled.size !== requests || [...settled.values()].some((times) => times !== 1);
    if (isWrong || ledger.wrongEnds.length > 0)
      result.wrong.push(`of ${requests} requests ${settled.size} ended`);
    if (rpc.pendingRequests().length + ledger.timers.size > 0) result.wrong.push('something is left');
    ledger.told.clear();
    if (before === 0 && done >= conversations / 10) before = await usedBytes();
  }
  result.grownBytes = (await usedBytes()) - before;
  return result;
}
