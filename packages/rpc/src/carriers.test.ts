import { systemClock } from '@lloom/core';
import { describe, expect, test } from 'vitest';
import { createLinks, type LinkEnd } from '../test/sessionLinks.ts';
import { AskedProbe, pattern, turnOfPromises } from '../test/sessionProbes.ts';
import { AskingSession } from './askingSession.ts';
import { StreamCarrier } from './askingStream.ts';
import { Carriers } from './carriers.ts';
import { RpcError } from './errors.ts';
import type { Network, RequestRef, SessionLink } from './ports.ts';

interface Opening {
  readonly peerId: string;
  readonly request: RequestRef;
  readonly settle: PromiseWithResolvers<SessionLink | undefined>;
}

/** Carriers whose sessions are opened by the test. */
function createCarriers({ sessions = true } = {}) {
  const openings: Opening[] = [];
  const network = {
    openSession: (peerId: string, request: RequestRef) => {
      const settle = Promise.withResolvers<SessionLink | undefined>();
      openings.push({ peerId, request, settle });
      return settle.promise;
    },
  } as Partial<Network> as Network;
  const carriers = new Carriers({
    network,
    clock: systemClock,
    sessions,
    maxAnswerBytes: 1_000,
    protocolOf: () => '/p/1.0.0',
  });
  let count = 0;
  const get = (peerId = 'peer', signal = new AbortController().signal) =>
    carriers.get(peerId, { requestId: `r${++count}`, signal });
  return { carriers, openings, get };
}

/** Gives an opening its session. */
function open({ settle }: Opening): { near: LinkEnd; far: LinkEnd } {
  const { near, far } = createLinks();
  settle.resolve(near);
  return { near, far };
}

const gone = new Error('not wanted any more');

describe('requests to a peer without a session', () => {
  test('share one that is opened, and its session', async () => {
    const { carriers, openings, get } = createCarriers();
    const waiting = [get(), get(), get()];
    expect([openings.length, carriers.find('peer')]).toEqual([1, undefined]);
    open(openings[0]!);
    const [first, ...others] = await Promise.all(waiting);
    expect(first).toBeInstanceOf(AskingSession);
    for (const other of [...others, carriers.find('peer')]) expect(other).toBe(first);
  });

  test('fail with why there is none, each with its own id', async () => {
    const { openings, get } = createCarriers();
    const waiting = [get(), get()].map((each) => each.catch((error: unknown) => error));
    const cause = new Error('refused');
    const data = { requestId: 'r1', peerId: 'peer', reason: 'refused' };
    openings[0]!.settle.reject(new RpcError('DIAL_FAILED', data, { cause }));
    const failures = await Promise.all(waiting);
    expect(failures).toMatchObject(
      ['r1', 'r2'].map((requestId) => ({ data: { ...data, requestId }, cause })),
    );
    void get().catch(() => undefined);
    expect(openings).toHaveLength(2);
  });

  test('do not end the opening for one another', async () => {
    const { openings, get } = createCarriers();
    const [first, second] = [new AbortController(), new AbortController()];
    const waiting = [get('peer', first.signal), get('peer', second.signal)];
    waiting[0]!.catch(() => undefined);
    first.abort(gone);
    await expect(waiting[0]).rejects.toBe(gone);
    expect(openings[0]!.request.signal.aborted).toBe(false);
    open(openings[0]!);
    expect(await waiting[1]).toBeInstanceOf(AskingSession);
  });

  test('end it when nobody waits any more; a session that comes all the same is ended', async () => {
    const { carriers, openings, get } = createCarriers();
    const controller = new AbortController();
    const waiting = get('peer', controller.signal);
    controller.abort(gone);
    await expect(waiting).rejects.toBe(gone);
    expect(openings[0]!.request.signal.aborted).toBe(true);
    const { near } = open(openings[0]!);
    await turnOfPromises();
    expect([near.closedBy?.message, carriers.find('peer')]).toEqual([
      'nobody waits for the session any more',
      undefined,
    ]);
  });

  test('do not wait for an opening that was given up just before', async () => {
    const { openings, get } = createCarriers();
    const controller = new AbortController();
    const first = get('peer', controller.signal);
    controller.abort(gone);
    await expect(first).rejects.toBe(gone);
    const second = get();
    expect(openings).toHaveLength(2);
    openings[0]!.settle.reject(new Error('the dial was aborted'));
    open(openings[1]!);
    expect(await second).toBeInstanceOf(AskingSession);
  });

  test('go over streams when the peer speaks no sessions, or sessions are not wanted', async () => {
    const { openings, get } = createCarriers();
    const waiting = get();
    openings[0]!.settle.resolve(undefined);
    expect(await waiting).toBeInstanceOf(StreamCarrier);
    const without = createCarriers({ sessions: false });
    expect(await without.get()).toBeInstanceOf(StreamCarrier);
    expect(without.openings).toEqual([]);
  });

  test('go over streams when the session was over before it was theirs', async () => {
    const { carriers, openings, get } = createCarriers();
    const waiting = get();
    const { near } = createLinks();
    near.cut();
    openings[0]!.settle.resolve(near);
    expect(await waiting).toBeInstanceOf(StreamCarrier);
    expect([near.thrown, carriers.find('peer')]).toEqual([[], undefined]);
  });
});

describe('a session', () => {
  test('that broke is forgotten, and the next request opens another', async () => {
    const { carriers, openings, get } = createCarriers();
    const waiting = get();
    const { near } = open(openings[0]!);
    const first = await waiting;
    near.cut();
    expect(carriers.find('peer')).toBeUndefined();
    const again = get();
    open(openings[1]!);
    expect(await again).not.toBe(first);
    expect(carriers.find('peer')).toBe(await again);
  });

  test('that is superseded takes no more requests, and ends with its last one', async () => {
    const { carriers, openings, get } = createCarriers();
    const waiting = get();
    const { near, far } = open(openings[0]!);
    const session = await waiting;
    const asked = new AskedProbe(pattern(10));
    asked.sent = session.send(asked, asked);
    (session as AskingSession).onSuperseded();
    expect(carriers.find('peer')).toBeUndefined();
    const again = get();
    open(openings[1]!);
    expect(await again).not.toBe(session);
    near.turn();
    near.deliver();
    expect([near.closedBy, far.closedBy]).toEqual([undefined, undefined]);
    asked.sent.cancel();
    near.turn();
    near.deliver();
    expect(far.closedBy?.message).toBe('the peer ended the session');
    const late = new AskedProbe(pattern(10));
    session.send(late, late);
    expect([late.told, late.wasSent]).toEqual([['opened', 'lost'], false]);
  });

  test('that is superseded and idle ends at once; one that ends by itself is not asked to', async () => {
    const { carriers, openings, get } = createCarriers();
    const waiting = [get('one'), get('two')];
    const [one, two] = openings.map((opening) => open(opening));
    const [idle, broken] = (await Promise.all(waiting)) as AskingSession[];
    idle!.onSuperseded();
    while ([one!.near.turn(), one!.near.deliver(), one!.far.turn(), one!.far.deliver()].includes(true));
    expect(one!.far.closedBy?.message).toBe('the peer ended the session');
    two!.near.cut();
    broken!.onSuperseded();
    idle!.onSuperseded();
    expect([carriers.find('one'), carriers.find('two')]).toEqual([undefined, undefined]);
  });

  test('is closed with the service, behind what was written', async () => {
    const { carriers, openings, get } = createCarriers();
    const waiting = [get('one'), get('two')];
    const ends = openings.map((opening) => open(opening));
    const [session] = await Promise.all(waiting);
    const asked = new AskedProbe(pattern(10));
    session!.send(asked, asked);
    const closing = carriers.close();
    for (const { near, far } of ends) {
      far.attach({ onBytes: () => undefined, onDrain: () => undefined, onClosed: () => undefined });
      while ([near.turn(), near.deliver(), far.turn(), far.deliver()].includes(true));
    }
    await closing;
    expect(ends[0]!.near.deliveredBytes).toBeGreaterThan(10);
    expect([asked.told, asked.wasSent]).toEqual([['opened', 'sent', 'lost'], true]);
    expect([carriers.find('one'), carriers.find('two')]).toEqual([undefined, undefined]);
  });
});
