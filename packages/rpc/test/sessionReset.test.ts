import { decodeOpenHead, sessionFrame, sessionHeaderBytes, SessionDecoder, splitOpen } from '@lloom/codec';
import type { SessionFrame } from '@lloom/codec';
import { describe, expect, test } from 'vitest';
import { Refusal, RpcError } from '../src/index.ts';
import type { Links, LinksConfig } from './sessionLinks.ts';
import { kibibyte, pattern } from './sessionProbes.ts';
import { bytesProtocol, constantSigner, World, expectNothingLeft } from './sessionServices.ts';

type Side = 'near' | 'far';

/** Where the next session breaks: when so many bytes of one side have arrived. */
interface Break {
  readonly side: Side;
  readonly bytes: number;
}

/** A client and a server whose sessions break where the test says. */
async function createTalk(maxInboundRequestsPerPeer: number, link: LinksConfig = {}) {
  let next: Break | undefined;
  const world = new World({
    links: () => ({ ...link, isRecorded: true }),
    onOpen: (links) => {
      if (next !== undefined) links[next.side].cutAfter(next.bytes);
    },
  });
  const config = { signatures: 'ignore', signer: constantSigner, maxInboundRequestsPerPeer } as const;
  const [client, server] = [await world.add('client', config), await world.add('server', config)];
  /** How often each request was handled. */
  const handled = new Map<string, number>();
  const handle = (name: string): void => void handled.set(name, (handled.get(name) ?? 0) + 1);
  for (const name of ['/echo/1', '/echo/2', '/later/1', '/large/1', '/never/1', '/full/1'])
    await server.rpc.addProtocol(
      bytesProtocol(name, (_, bytes, { signal }) => {
        handle(name);
        // It answers nobody, and lets go when nobody waits any more.
        if (name.startsWith('/never'))
          return new Promise((resolve) => signal.addEventListener('abort', () => resolve(bytes)));
        return name.startsWith('/later') ? Promise.resolve(bytes) : bytes;
      }),
    );
  await server.rpc.addProtocol(
    bytesProtocol('/refused/1', () => {
      handle('/refused/1');
      throw new Refusal('MODEL_UNAVAILABLE', 'not here');
    }),
  );
  server.rpc.serve(async function* () {
    handle('llmRequest');
    for (const word of ['one ', 'two ', 'three']) yield word;
  });
  return { world, client, server, handled, breakAt: (at: Break | undefined) => (next = at) };
}

type Talk = Awaited<ReturnType<typeof createTalk>>;

/** What was asked, by its method, and how it ended. */
async function ask({ world, client, server }: Talk, sizes: Readonly<Record<string, number>>) {
  const endings = new Map<string, string>();
  const note = (method: string, request: Promise<string>): void =>
    void request
      .catch((error: unknown) => {
        if (!RpcError.is(error)) throw error;
        return RpcError.is(error, 'CONNECTION_CLOSED') ? error.data.outcome : error.code;
      })
      .then((ending) => endings.set(method, endings.has(method) ? 'twice' : ending));
  const { rpc, identity } = client;
  const llm = await identity.sign({ model: 'm', prompt: 'p' }, { to: server.identity.evmAddress });
  note(
    'ping',
    rpc.request(server.peerId, { type: 'ping' }).then(({ type }) => type),
  );
  const controller = new AbortController();
  const call = (method: string, size: number): void => {
    const body = pattern(size);
    const config = method.startsWith('/never') ? { signal: controller.signal } : {};
    const answer = rpc.callProtocol(server.peerId, bytesProtocol(method), body, config);
    note(
      method,
      answer.then((bytes) => (Buffer.compare(bytes as Uint8Array, body) === 0 ? 'echo' : 'garbled')),
    );
  };
  const read = async (): Promise<string> => {
    let text = '';
    for await (const chunk of rpc.stream(server.peerId, { type: 'llmRequest', request: llm }))
      text += chunk.text;
    return text;
  };
  for (const [method, size] of Object.entries(sizes)) call(method, size);
  note('llmRequest', read());
  // The server has no room for one more.
  call('/full/1', 8);
  await world.settle();
  controller.abort();
  await world.settle();
  return endings;
}

const sizes = { '/echo/1': 20, '/later/1': 30, '/refused/1': 5, '/never/1': 5, '/echo/2': 0 };
const largeSizes = { '/echo/1': 70 * kibibyte, '/large/1': 600 * kibibyte, '/never/1': 5, '/later/1': 100 };

/** The frames in some bytes, without what is left of a last one. */
function framesIn(chunks: readonly Uint8Array[]): SessionFrame[] {
  const frames: SessionFrame[] = [];
  const decoder = new SessionDecoder((frame) => frames.push(frame));
  decoder.push(Buffer.concat(chunks));
  return frames;
}

/** How each request must have ended, by what was written and what arrived. */
function expectedEndings({ near, far }: Links, whole: ReadonlyMap<string, string>): Map<string, string> {
  const ids = new Map<string, number>();
  for (const { kind, id, payload } of framesIn(near.written))
    if (kind === sessionFrame.open) ids.set(decodeOpenHead(splitOpen(payload).head).method, id);
  const isLast = ({ kind }: SessionFrame): boolean =>
    kind === sessionFrame.end || kind === sessionFrame.error;
  const ended = new Set(
    framesIn(far.delivered)
      .filter(isLast)
      .map(({ id }) => id),
  );
  return new Map(
    [...whole].map(([method, ending]) => {
      const id = ids.get(method);
      if (id === undefined) return [method, 'not sent'];
      return [method, ended.has(id) ? ending : method.startsWith('/never') ? 'lost or given up' : 'unknown'];
    }),
  );
}

function check(talk: Talk, endings: Map<string, string>, whole: ReadonlyMap<string, string>): void {
  const { world, handled } = talk;
  const never = endings.get('/never/1');
  const isGivenUp = never === 'unknown' || never === 'CANCELLED';
  const seen = new Map(endings);
  if (isGivenUp) seen.set('/never/1', 'lost or given up');
  expect(seen).toEqual(expectedEndings(world.links.at(-1)!, whole));
  for (const [method, count] of handled) expect([method, count]).toEqual([method, 1]);
  for (const [method, ending] of endings)
    if (ending === 'not sent') expect(handled.has(method)).toBe(false);
    else if (ending === whole.get(method) && ending !== 'BUSY' && method !== 'ping')
      expect(handled.has(method)).toBe(true);
  expectNothingLeft(world);
}

/** Has the same conversation again and again, with a session that breaks at another place each time. */
async function breakEverywhere(
  talk: Talk,
  asked: Readonly<Record<string, number>>,
  placesOf: (links: Links, side: Side) => number[],
) {
  const { world, handled, breakAt } = talk;
  const whole = await ask(talk, asked);
  const links = world.links.at(-1)!;
  links.near.cut();
  const seen = new Set<string>();
  for (const side of ['near', 'far'] as const)
    for (const bytes of placesOf(links, side)) {
      handled.clear();
      world.links.length = 0;
      breakAt({ side, bytes });
      const endings = await ask(talk, asked);
      try {
        check(talk, endings, whole);
      } catch (error) {
        throw new Error(`broken behind ${bytes} bytes of the ${side} end`, { cause: error });
      }
      for (const ending of endings.values()) seen.add(ending);
      world.links.at(-1)!.near.cut();
      await world.settle();
    }
  return { whole, seen };
}

/** Where each frame ends. */
function boundaries({ near, far }: Links, side: Side): number[] {
  let at = 0;
  const ends = framesIn({ near, far }[side].written).map(
    ({ payload }) => (at += sessionHeaderBytes + payload.length),
  );
  return [0, ...ends];
}

const everyByte = ({ near, far }: Links, side: Side): number[] =>
  Array.from({ length: { near, far }[side].deliveredBytes + 1 }, (_, bytes) => bytes);

describe('a session that is reset', () => {
  test('at any byte ends each of its requests once, as what it is, and leaves nothing', async () => {
    const talk = await createTalk(3);
    const { whole, seen } = await breakEverywhere(talk, sizes, everyByte);
    expect(Object.fromEntries(whole)).toEqual({
      ping: 'pong',
      '/echo/1': 'echo',
      '/later/1': 'echo',
      '/refused/1': 'MODEL_UNAVAILABLE',
      '/never/1': 'CANCELLED',
      '/echo/2': 'echo',
      '/full/1': 'BUSY',
      llmRequest: 'one two three',
    });
    expect(seen).toContain('unknown');
  });

  test('at any end of a frame does so with large messages that take turns, too', async () => {
    const talk = await createTalk(32, { capacityBytes: 50_000 });
    const { whole, seen } = await breakEverywhere(talk, largeSizes, boundaries);
    expect([...whole.values()].filter((ending) => ending === 'echo')).toHaveLength(4);
    expect(seen).toContain('unknown');
    expect(seen).toContain('not sent');
  });
});
