import { describe, expect, it } from 'vitest';
import { createActor, setup } from 'xstate';
import { createLive, createRecorder, type Labels, type LabelledActor, type RecorderConfig } from './index.ts';
import { gateMachine } from '../test/runs.ts';

/** A park starts two gates, each when it begins; the first one has steps to take before. */
const parkMachine = setup({
  types: {} as { context: { owner: string; visitor: object } },
  actors: { gate: gateMachine, walk: gateMachine.provide({}) },
}).createMachine({
  id: 'park',
  context: { owner: 'carol', visitor: {} },
  type: 'parallel',
  states: {
    left: { invoke: { id: 'k1', src: 'gate' } },
    right: { invoke: { id: 'k2', src: 'walk' } },
  },
});

/** Labels of each actor by its name, as a recorder tells them. */
function labelsOf(config: RecorderConfig, given?: Labels) {
  const recorder = createRecorder(config);
  const inspect = given === undefined ? recorder.inspect : recorder.inspectAs(given);
  createActor(parkMachine, { inspect }).start();
  const { actors, dropped } = recorder.run();
  const labels = Object.fromEntries(actors.map((actor) => [actor.name, actor.labels]));
  return { labels, dropped: dropped.labels };
}

describe('labels of an actor', () => {
  it('are absent when nobody says anything', () => {
    const recorder = createRecorder();
    createActor(parkMachine, { inspect: recorder.inspect }).start();
    for (const actor of recorder.run().actors) expect(actor).not.toHaveProperty('labels');
  });

  it('are those under which it is inspected, children included', () => {
    const node = { node: 'alice' };
    expect(labelsOf({}, node).labels).toEqual({ park: node, k1: node, k2: node });
  });

  it('tell actors of different systems apart in one run', () => {
    const recorder = createRecorder();
    for (const node of ['alice', 'bob']) {
      createActor(gateMachine, { inspect: recorder.inspectAs({ node }) }).start();
    }
    expect(recorder.run().actors.map(({ name, labels }) => [name, labels])).toEqual([
      ['gate', { node: 'alice' }],
      ['gate 2', { node: 'bob' }],
    ]);
  });

  it('follow from what it begins with, and are inherited by those it starts', () => {
    const asked: LabelledActor[] = [];
    const { labels } = labelsOf(
      {
        labelsOf(actor) {
          asked.push({ ...actor });
          const owner = actor.context?.['owner'];
          return typeof owner === 'string' ? { owner } : { coins: String(actor.context?.['coins']) };
        },
      },
      { node: 'alice', owner: 'nobody' },
    );
    expect(asked.map(({ id, machine }) => [id, machine])).toEqual([
      [expect.stringMatching(/^x:\d+$/), 'park'],
      ['k1', 'gate'],
      ['k2', 'gate'],
    ]);
    // What is said of an actor goes before what is said of its parent, and that before what is given to all.
    expect(labels).toEqual({
      park: { node: 'alice', owner: 'carol' },
      k1: { coins: '0', node: 'alice', owner: 'carol' },
      k2: { coins: '0', node: 'alice', owner: 'carol' },
    });
  });

  it('are known of a machine that takes steps before it starts', () => {
    const machine = setup({}).createMachine({
      id: 'step',
      context: { request: 'r-1' },
      initial: 'first',
      states: { first: { always: 'second' }, second: {} },
    });
    const config = { labelsOf: ({ context }: LabelledActor) => ({ request: String(context?.['request']) }) };
    const [recorder, live] = [createRecorder(config), createLive(config)];
    createActor(machine, { inspect: recorder.inspect }).start();
    createActor(machine, { inspect: live.inspectAs({ node: 'alice' }) }).start();
    expect(recorder.run().actors).toMatchObject([{ labels: { request: 'r-1' } }]);
    expect(live.changes().actors).toMatchObject([{ labels: { node: 'alice', request: 'r-1' } }]);
  });

  it('are at most eight of bounded texts, and what is left out is counted', () => {
    const many = Object.fromEntries(
      Array.from({ length: 20 }, (_, at) => [`label ${at}`, 'x'.repeat(1_000)]),
    );
    const { labels, dropped } = labelsOf({ maxTextLength: 9 }, many);
    expect(Object.keys(labels['park'] ?? {})).toEqual(Array.from({ length: 8 }, (_, at) => `label ${at}`));
    expect(labels['park']?.['label 0']).toBe('xxxxxxxx…');
    expect(dropped).toBe(12);
    const own = labelsOf({ labelsOf: () => ({ own: 'yes' }) }, many);
    expect(Object.keys(own.labels['park'] ?? {})).toHaveLength(8);
    expect(own.labels['park']).toHaveProperty('own', 'yes');
    expect(own.dropped).toBeGreaterThan(12);
  });

  it('may be anything without harm', () => {
    const hostile: unknown[] = [
      null,
      'text',
      7,
      () => undefined,
      { node: 7, peer: { toString: () => 'a peer' }, path: undefined },
      {
        get node(): string {
          throw new Error('no');
        },
      },
      new Proxy(
        {},
        {
          ownKeys() {
            throw new Error('no');
          },
        },
      ),
    ];
    for (const odd of hostile) {
      expect(labelsOf({ labelsOf: () => odd as Labels }).labels).toEqual({});
      expect(labelsOf({}, odd as Labels).labels).toEqual({});
    }
    expect(labelsOf({}, hostile[4] as Labels).dropped).toBe(2);
    const failing = labelsOf({
      labelsOf: () => {
        throw new Error('no');
      },
    });
    expect(failing.labels).toEqual({ park: undefined, k1: undefined, k2: undefined });
  });

  it('may have names that every object has', () => {
    const odd = JSON.parse('{ "__proto__": "a", "constructor": "b", "": "c" }') as Labels;
    const { labels } = labelsOf({}, odd);
    expect(JSON.stringify(labels['park'])).toBe('{"__proto__":"a","constructor":"b","":"c"}');
    expect(Object.getPrototypeOf(labels['park'])).toBe(Object.prototype);
  });

  it('are none for actors that share a line', () => {
    const { labels } = labelsOf({ maxActors: 1 }, { node: 'alice' });
    expect(labels).toEqual({ park: { node: 'alice' }, '(others)': undefined });
  });
});
