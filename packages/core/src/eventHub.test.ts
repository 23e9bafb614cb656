import { getEventListeners } from 'node:events';
import { runInNewContext } from 'node:vm';

import { describe, expect, test, vi } from 'vitest';

import { ConfigError, EventHub, type EventOf, type EventSink } from './index.ts';

type Events = {
  'door:opened': { readonly by: string };
  'door:closed': { readonly by: string };
};

interface Failure {
  readonly error: unknown;
  readonly type: string;
}

function hubWithFailures(): { hub: EventHub<Events>; failures: Failure[] } {
  const failures: Failure[] = [];
  return { hub: new EventHub<Events>((error, type) => failures.push({ error, type })), failures };
}

const quietHub = (): EventHub<Events> =>
  new EventHub<Events>((error) => {
    throw error;
  });

const inOtherRealm = runInNewContext('(error) => Promise.reject(error)') as (error: Error) => unknown;

const by = (name: string): { readonly by: string } => ({ by: name });

describe('listeners', () => {
  test('hear events of their name, with the detail', () => {
    const hub = quietHub();
    const heard: CustomEvent<{ by: string }>[] = [];
    hub.addEventListener('door:opened', (event) => heard.push(event));
    hub.emit('door:opened', by('ann'));
    hub.emit('door:closed', by('ann'));
    expect(heard.map(({ type, detail }) => ({ type, detail }))).toEqual([
      { type: 'door:opened', detail: { by: 'ann' } },
    ]);
  });

  test('are called once each, however often they were added', () => {
    const hub = quietHub();
    const listener = vi.fn<() => void>();
    hub.addEventListener('door:opened', listener);
    hub.addEventListener('door:opened', listener);
    hub.emit('door:opened', by('ann'));
    expect(listener).toHaveBeenCalledTimes(1);
    hub.removeEventListener('door:opened', listener);
    hub.emit('door:opened', by('ann'));
    expect(listener).toHaveBeenCalledTimes(1);
    hub.removeEventListener('door:opened', listener);
    hub.removeEventListener('door:closed', listener);
  });

  test('that throw are reported, and harm no other', () => {
    const { hub, failures } = hubWithFailures();
    const error = new Error('listener');
    const after = vi.fn<() => void>();
    hub.addEventListener('door:opened', () => {
      throw error;
    });
    hub.addEventListener('door:opened', after);
    hub.emit('door:opened', by('ann'));
    expect(after).toHaveBeenCalledTimes(1);
    expect(failures).toEqual([{ error, type: 'door:opened' }]);
  });

  test('that reject are reported, also by a promise of another realm', async () => {
    const { hub, failures } = hubWithFailures();
    const own = new Error('own');
    const foreign = new Error('foreign');
    hub.addEventListener('door:opened', () => Promise.reject(own));
    hub.addEventListener('door:opened', () => inOtherRealm(foreign));
    hub.emit('door:opened', by('ann'));
    await vi.waitFor(() => expect(failures).toHaveLength(2));
    expect(failures.map(({ error }) => error)).toEqual(expect.arrayContaining([own, foreign]));
  });

  test('cannot make emit() throw, even when the report of their error throws', async () => {
    const hub = quietHub();
    hub.addEventListener('door:opened', () => {
      throw new Error('listener');
    });
    hub.addEventListener('door:opened', () => Promise.reject(new Error('later')));
    expect(() => hub.emit('door:opened', by('ann'))).not.toThrow();
    await Promise.resolve();
  });

  test('that want one event hear one, also when they emit the next', () => {
    const hub = quietHub();
    const heard: string[] = [];
    const listener = ({ detail }: CustomEvent<{ by: string }>): void => {
      heard.push(detail.by);
      hub.emit('door:opened', by('bob'));
    };
    hub.addEventListener('door:opened', listener, { once: true });
    hub.emit('door:opened', by('ann'));
    expect(heard).toEqual(['ann']);
    expect(hub.isObserved('door:opened')).toBe(false);
  });

  test('stop with their signal, and leave nothing at it', () => {
    const hub = quietHub();
    const { signal, abort } = abortable();
    const listener = vi.fn<() => void>();
    hub.addEventListener('door:opened', listener, { signal });
    hub.addEventListener('door:closed', listener, { signal, once: true });
    expect(getEventListeners(signal, 'abort')).toHaveLength(2);
    hub.emit('door:closed', by('ann'));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    abort();
    hub.emit('door:opened', by('ann'));
    expect(listener).toHaveBeenCalledTimes(1);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    hub.addEventListener('door:opened', listener, { signal });
    expect(hub.isObserved('door:opened')).toBe(false);
  });

  test('that are removed leave nothing at their signal', () => {
    const hub = quietHub();
    const { signal } = abortable();
    const listener = vi.fn<() => void>();
    hub.addEventListener('door:opened', listener, { signal });
    hub.removeEventListener('door:opened', listener);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('that are removed while an event is told hear nothing of it', () => {
    const hub = quietHub();
    const second = vi.fn<() => void>();
    hub.addEventListener('door:opened', () => hub.removeEventListener('door:opened', second));
    hub.addEventListener('door:opened', second);
    hub.emit('door:opened', by('ann'));
    expect(second).not.toHaveBeenCalled();
  });

  test('that are added while an event is told hear the next one', () => {
    const hub = quietHub();
    const late = vi.fn<() => void>();
    hub.addEventListener('door:opened', () => hub.addEventListener('door:opened', late));
    hub.emit('door:opened', by('ann'));
    expect(late).not.toHaveBeenCalled();
    hub.emit('door:opened', by('bob'));
    expect(late).toHaveBeenCalledTimes(1);
  });
});

describe('readers', () => {
  test('get all events from now on, each once, in order', async () => {
    const hub = quietHub();
    hub.emit('door:opened', by('before'));
    const events = hub.events();
    hub.emit('door:opened', by('ann'));
    hub.emit('door:closed', by('bob'));
    hub.close();
    expect(await allOf(events)).toEqual([
      { type: 'door:opened', by: 'ann' },
      { type: 'door:closed', by: 'bob' },
    ]);
  });

  test('get events in the order of their emission, also when a listener emits', async () => {
    const hub = quietHub();
    hub.addEventListener('door:opened', ({ detail }) => hub.emit('door:closed', detail));
    const events = hub.events();
    hub.emit('door:opened', by('ann'));
    hub.close();
    expect(typesOf(await allOf(events))).toEqual(['door:opened', 'door:closed']);
  });

  test('that wait are woken in turn', async () => {
    const hub = quietHub();
    const events = hub.events();
    const waiting = [events.next(), events.next(), events.next()];
    hub.emit('door:opened', by('ann'));
    hub.emit('door:opened', by('bob'));
    hub.close();
    const results = await Promise.all(waiting);
    expect(results.map(({ value }) => (value as { by: string } | undefined)?.by)).toEqual([
      'ann',
      'bob',
      undefined,
    ]);
    expect(results.map(({ done }) => done)).toEqual([false, false, true]);
  });

  test('that are slow lose the oldest events, and can see how many', async () => {
    const hub = quietHub();
    const slow = hub.events({ limit: 3 });
    const other = hub.events();
    for (const name of ['1', '2', '3', '4', '5']) hub.emit('door:opened', by(name));
    hub.close();
    expect(slow.dropped).toBe(2);
    expect((await allOf(slow)).map((event) => event.by)).toEqual(['3', '4', '5']);
    expect(other.dropped).toBe(0);
    expect(await allOf(other)).toHaveLength(5);
  });

  test('hold 1,000 events when nothing else is said', () => {
    const hub = quietHub();
    const events = hub.events();
    for (let count = 0; count < 1_002; count++) hub.emit('door:opened', by('ann'));
    expect(events.dropped).toBe(2);
  });

  test.for([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5'])('cannot hold %o events', (limit) => {
    const hub = quietHub();
    expect(() => hub.events({ limit: limit as number })).toThrow(ConfigError);
    expect(hub.isObserved('door:opened')).toBe(false);
  });

  test('end when their loop is left, and are forgotten', async () => {
    const hub = quietHub();
    const { signal } = abortable();
    const seen: string[] = [];
    const events = hub.events({ signal });
    for (const name of ['ann', 'bob', 'eve']) hub.emit('door:opened', by(name));
    for await (const event of events) {
      seen.push(event.by);
      if (event.by === 'bob') break;
    }
    expect(seen).toEqual(['ann', 'bob']);
    expect(hub.isObserved('door:opened')).toBe(false);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

  test('end with their signal, without the events that waited', async () => {
    const hub = quietHub();
    const { signal, abort } = abortable();
    const events = hub.events({ signal });
    hub.emit('door:opened', by('ann'));
    abort();
    expect(await allOf(events)).toEqual([]);
    expect(hub.isObserved('door:opened')).toBe(false);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('that come with an aborted signal have ended already', async () => {
    const hub = quietHub();
    const { signal, abort } = abortable();
    abort();
    expect(await allOf(hub.events({ signal }))).toEqual([]);
    expect(hub.isObserved('door:opened')).toBe(false);
  });

  test('leave nothing behind, a thousand times over', async () => {
    const hub = quietHub();
    const { signal } = abortable();
    for (let count = 0; count < 1_000; count++) {
      const events = hub.events({ signal });
      hub.emit('door:opened', by('ann'));
      await events.next();
      await events.return?.();
    }
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(hub.isObserved('door:opened')).toBe(false);
  });
});

describe('forwardTo()', () => {
  test('passes events on, in the order of their emission, until it is stopped', async () => {
    const inner = quietHub();
    const outer = quietHub();
    const stop = inner.forwardTo(outer);
    const events = outer.events();
    inner.addEventListener('door:opened', ({ detail }) => inner.emit('door:closed', detail));
    inner.emit('door:opened', by('ann'));
    stop();
    inner.emit('door:opened', by('bob'));
    outer.close();
    expect(await allOf(events)).toEqual([
      { type: 'door:opened', by: 'ann' },
      { type: 'door:closed', by: 'ann' },
    ]);
  });

  test('comes after the own listeners', () => {
    const order: string[] = [];
    const inner = quietHub();
    const outer = quietHub();
    inner.forwardTo(outer);
    outer.addEventListener('door:opened', () => order.push('outer'));
    inner.addEventListener('door:opened', () => order.push('inner'));
    inner.emit('door:opened', by('ann'));
    expect(order).toEqual(['inner', 'outer']);
  });

  test('makes the inner hub observed when the outer one is', () => {
    const inner = quietHub();
    const outer = quietHub();
    inner.forwardTo(outer);
    expect(inner.isObserved('door:opened')).toBe(false);
    outer.addEventListener('door:opened', () => undefined);
    expect(inner.isObserved('door:opened')).toBe(true);
    expect(inner.isObserved('door:closed')).toBe(false);
  });

  test('lets an onlooker hear what is told, and have nobody believe that it is observed', async () => {
    const inner = quietHub();
    const outer = quietHub();
    const heard: string[] = [];
    let isWoken = false;
    inner.forwardTo(outer);
    const stop = outer.forwardTo({
      emit: (type) => heard.push(type),
      isObserved: () => false,
      isHeard: (type) => type === 'door:opened',
      whenObserved: () => undefined,
    });
    inner.whenObserved('door:opened', () => (isWoken = true));
    expect([inner.isHeard('door:opened'), inner.isHeard('door:closed')]).toEqual([true, false]);
    expect(inner.isObserved('door:opened')).toBe(false);
    inner.emit('door:opened', by('ann'));
    await Promise.resolve();
    expect([heard, isWoken]).toEqual([['door:opened'], false]);
    stop();
    expect(inner.isHeard('door:opened')).toBe(false);
    outer.addEventListener('door:opened', () => undefined);
    expect(inner.isHeard('door:opened')).toBe(true);
  });

  test('survives a sink that throws', () => {
    const { hub, failures } = hubWithFailures();
    const error = new Error('sink');
    const broken: EventSink<Events> = {
      whenObserved: () => undefined,
      emit: () => {
        throw error;
      },
      isObserved: () => true,
    };
    hub.forwardTo(broken);
    hub.emit('door:opened', by('ann'));
    hub.emit('door:closed', by('ann'));
    expect(failures).toEqual([
      { error, type: 'door:opened' },
      { error, type: 'door:closed' },
    ]);
  });
});

async function allOf<T>(events: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const typesOf = (events: readonly EventOf<Events>[]): string[] => events.map(({ type }) => type);

function abortable(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

describe('what waits for somebody to listen', () => {
  const turn = (): Promise<void> => Promise.resolve().then(() => undefined);

  test('is done in a moment when somebody listens already', async () => {
    const hub = quietHub();
    const heard: string[] = [];
    hub.addEventListener('door:opened', ({ detail }) => heard.push(detail.by));
    hub.whenObserved('door:opened', () => hub.emit('door:opened', by('ann')));
    expect(heard).toEqual([]);
    await turn();
    expect(heard).toEqual(['ann']);
  });

  test.each([
    ['a listener', (hub: EventHub<Events>) => hub.addEventListener('door:opened', () => undefined)],
    ['a reader', (hub: EventHub<Events>) => hub.events()],
  ])('is done once, for the first one that would hear it: %s', async (_, listen) => {
    const hub = quietHub();
    const act = vi.fn<() => void>();
    hub.whenObserved('door:opened', act);
    hub.addEventListener('door:closed', () => undefined);
    await turn();
    expect(act).not.toHaveBeenCalled();
    listen(hub);
    listen(hub);
    await turn();
    expect(act).toHaveBeenCalledOnce();
  });

  test.each(['before', 'after'])(
    'is done for who listens where events are passed on to, %s',
    async (when) => {
      const [inner, outer] = [quietHub(), quietHub()];
      const act = vi.fn<() => void>();
      if (when === 'before') inner.forwardTo(outer);
      inner.whenObserved('door:opened', act);
      if (when === 'after') inner.forwardTo(outer);
      await turn();
      expect(act).not.toHaveBeenCalled();
      outer.addEventListener('door:opened', () => undefined);
      await turn();
      await turn();
      expect(act).toHaveBeenCalledOnce();
    },
  );

  test('what it throws is reported', async () => {
    const { hub, failures } = hubWithFailures();
    const error = new Error('no');
    hub.whenObserved('door:opened', () => {
      throw error;
    });
    hub.addEventListener('door:opened', () => undefined);
    await turn();
    expect(failures).toEqual([{ error, type: 'door:opened' }]);
  });
});
