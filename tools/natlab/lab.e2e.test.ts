import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Part } from '../bench/part.ts';
import { canRun, Lab, listenPort, type Kind, type Place } from './lab.ts';
import type { Questions } from './sockets.ts';
import { run } from './system.ts';

/** How long a connection may take that is dropped on the way: elsewhere it takes a millisecond. */
const dropMs = 250;
/** For what is to succeed, on a busy machine. */
const patientMs = 5_000;

interface Host {
  readonly place: Place;
  readonly sockets: Part<Questions>;
}

describe.skipIf(!canRun())('a laboratory of NATs', () => {
  let lab: Lab;
  const hosts = new Map<string, Host>();
  const host = (name: string): Host => hosts.get(name)!;

  const add = async (name: string, kind: Kind): Promise<void> => {
    const place = await lab.add(name, kind);
    const sockets = new Part<Questions>(new URL('sockets.ts', import.meta.url), {
      nodeArgs: [],
      within: place.within,
    });
    hosts.set(name, { place, sockets });
    await sockets.ask('listen', listenPort);
  };

  /** Dials a host from another one, at the address that others see. */
  const dial = (from: string, to: string, { port = listenPort, ms = dropMs } = {}) =>
    host(from).sockets.ask('dial', { host: host(to).place.outside, port, ms });

  /** Where a host is seen by another one when it dials from this port. */
  const seen = async (from: string, to: string, localPort: number): Promise<string> => {
    const dialled = { host: host(to).place.outside, port: listenPort, localPort, ms: patientMs };
    await host(from).sockets.ask('dial', dialled);
    return host(from).sockets.ask('seen', undefined);
  };

  beforeAll(async () => {
    lab = await Lab.create();
    await Promise.all([
      add('one', 'public'),
      add('two', 'public'),
      add('home', 'port-restricted'),
      add('flat', 'port-restricted'),
      add('office', 'symmetric'),
      add('server', 'forwarded'),
      add('walled', 'firewall'),
    ]);
  });

  afterAll(async () => {
    await Promise.all([...hosts.values()].map(({ sockets }) => sockets.kill()));
    await lab?.close();
  });

  test('a public host and a forwarded port are reached by everybody', async () => {
    const ways = [dial('home', 'one', { ms: patientMs }), dial('one', 'server', { ms: patientMs })];
    await expect(Promise.all(ways)).resolves.toEqual(['connected', 'connected']);
  });

  test('nobody reaches a host unasked that is behind a NAT or a firewall, or is told so', async () => {
    const dials = ['home', 'office', 'walled'].map((to) => dial('one', to));
    const otherPort = dial('one', 'server', { port: listenPort + 1 });
    await expect(Promise.all([...dials, otherPort])).resolves.toEqual(Array(4).fill('nothing'));
  });

  test('a port-restricted NAT keeps the port, whoever is dialled', async () => {
    const { outside } = host('home').place;
    expect(await seen('home', 'one', 5_001)).toBe(`${outside}:5001`);
    expect(await seen('home', 'two', 5_001)).toBe(`${outside}:5001`);
  });

  test('a symmetric NAT gives each connection a port of its own', async () => {
    const [first, second] = [await seen('office', 'one', 5_002), await seen('office', 'two', 5_002)];
    const { outside } = host('office').place;
    expect([first, second]).toEqual([expect.stringContaining(outside), expect.stringContaining(outside)]);
    expect(first).not.toBe(second);
  });

  test.each([
    ['home', 'flat', 'connected', 5_011],
    ['home', 'walled', 'connected', 5_012],
    ['home', 'office', 'nothing', 5_013],
  ])('%s and %s dial each other at once: %s', async (...[one, other, outcome, localPort]) => {
    const ends = [one, other].map(host);
    const ports = await Promise.all(
      ends.map(async ({ place: { name } }) => Number((await seen(name, 'one', localPort)).split(':')[1])),
    );
    const ms = outcome === 'connected' ? patientMs : dropMs;
    const dials = ends.map(({ sockets }, i) => {
      const peer = 1 - i;
      const to = { host: ends[peer]!.place.outside, port: ports[peer]! };
      return sockets.ask('dial', { ...to, localPort, ms });
    });
    await expect(Promise.all(dials)).resolves.toEqual([outcome, outcome]);
  });

  test('a router that forgot carries new connections only', async () => {
    const { place, sockets } = host('flat');
    await seen('flat', 'one', 5_004);
    await expect(sockets.ask('echo', patientMs)).resolves.toBe(true);
    await place.forget();
    await expect(sockets.ask('echo', dropMs)).resolves.toBe(false);
    await expect(seen('flat', 'one', 5_005)).resolves.toBe(`${place.outside}:5005`);
  });

  test.each(['flat', 'one'])('%s moves to another address', async (name) => {
    const { place, sockets } = host(name);
    const before = place.outside;
    await seen(name, 'two', 5_006);
    await expect(sockets.ask('echo', patientMs)).resolves.toBe(true);
    await place.move();
    await expect(sockets.ask('echo', dropMs)).resolves.toBe(false);
    expect(place.outside).not.toBe(before);
    await expect(seen(name, 'two', 5_007)).resolves.toBe(`${place.outside}:5007`);
  });

  test('a link that is down carries nothing until it is up again', async () => {
    const { place } = host('walled');
    await place.setLink(false);
    await expect(dial('walled', 'two')).resolves.toBe('nothing');
    await place.setLink(true);
    await expect(dial('walled', 'two', { ms: patientMs })).resolves.toBe('connected');
  });
});

describe.skipIf(!canRun())('what a laboratory leaves behind', () => {
  const namespaces = async (): Promise<string> => run('ip', ['netns', 'list']);
  const routed = (line: string): boolean =>
    !/^(?:default dev wan|default via 192\.168\.|192\.168\.)/.test(line);

  test('nothing on this machine, while it is there or after', async () => {
    const links = readFileSync('/proc/net/dev', 'utf8').split('\n').length;
    let name: string;
    {
      await using lab = await Lab.create({ isGlobal: true });
      const place = await lab.add('home', 'port-restricted');
      name = place.within.at(-1)!;
      expect(place.outside).toBe('11.7.0.1');
      expect(await namespaces()).toContain(name);
      expect(readFileSync('/proc/net/dev', 'utf8').split('\n')).toHaveLength(links);
      const routes = await place.run(['ip', 'route']);
      expect(routes.split('\n').filter((line) => line !== '' && routed(line))).toEqual([]);
    }
    expect(await namespaces()).not.toContain(name);
  });

  test('what a process left that is gone is removed by the next one', async () => {
    // No process has a number above the greatest that Linux knows.
    const left = 'natlab-4194305-1-internet';
    await run('ip', ['netns', 'add', left]);
    await using _lab = await Lab.create();
    expect(await namespaces()).not.toContain(left);
  });
});
