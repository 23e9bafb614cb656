import { assign, createActor, fromPromise, setup, SimulatedClock } from 'xstate';
import { createRecorder, type Run } from '../src/index.ts';
import { gateMachine } from './runs.ts';

type StationEvent =
  | { type: 'START' }
  | { type: 'STOP' }
  | { type: 'CLOSED' }
  | { type: 'FATAL' }
  | { type: 'PEER.CONNECTED' }
  | { type: 'PEER.DISCONNECTED' }
  | { type: 'FIND' }
  | { type: 'QUERY.DONE' }
  | { type: 'QUERY.FAILED' }
  | { type: 'PROBE' }
  | { type: 'NAT.RESULT' }
  | { type: 'RELAY.FOUND' }
  | { type: 'RELAY.LOST' };

/** Nested, parallel, with history, `always`, `after`, guards and actors: a bit of everything that charts show. */
export const stationMachine = setup({
  types: {} as { context: { peers: number; isPublic: boolean }; events: StationEvent },
  actors: { listen: fromPromise(async () => 'ready'), bootstrap: fromPromise(async () => 'ready') },
  guards: {
    enoughPeers: ({ context }) => context.peers >= 3,
    hasPeers: ({ context }) => context.peers > 1,
    isPublic: ({ context }) => context.isPublic,
  },
  actions: {
    addPeer: assign({ peers: ({ context }) => context.peers + 1 }),
    dropPeer: assign({ peers: ({ context }) => context.peers - 1 }),
    announce: () => undefined,
    closeAll: () => undefined,
  },
  delays: { refresh: 30_000, probeTimeout: 5_000 },
}).createMachine({
  id: 'station',
  context: { peers: 0, isPublic: false },
  initial: 'stopped',
  states: {
    stopped: { on: { START: { target: 'starting' } } },
    starting: {
      invoke: { src: 'listen', id: 'listen', onDone: { target: 'running' }, onError: { target: 'crashed' } },
    },
    running: {
      type: 'parallel',
      on: { STOP: { target: 'stopping' }, FATAL: { target: 'crashed' } },
      states: {
        discovery: {
          initial: 'bootstrapping',
          states: {
            bootstrapping: {
              invoke: {
                src: 'bootstrap',
                id: 'bootstrap',
                onDone: { target: 'idle' },
                onError: { target: 'waiting' },
              },
            },
            idle: { on: { FIND: { target: 'querying' } }, after: { refresh: { target: 'querying' } } },
            querying: { on: { 'QUERY.DONE': { target: 'idle' }, 'QUERY.FAILED': { target: 'waiting' } } },
            waiting: { after: { 1000: { target: 'bootstrapping' } } },
          },
        },
        connectivity: {
          initial: 'isolated',
          states: {
            isolated: { on: { 'PEER.CONNECTED': { target: 'connected.last', actions: 'addPeer' } } },
            connected: {
              initial: 'sparse',
              on: {
                'PEER.CONNECTED': { actions: 'addPeer' },
                'PEER.DISCONNECTED': [
                  { guard: 'hasPeers', actions: 'dropPeer' },
                  { target: 'isolated', actions: 'dropPeer' },
                ],
              },
              states: {
                sparse: { always: { guard: 'enoughPeers', target: 'meshed' } },
                meshed: { entry: 'announce' },
                last: { type: 'history', history: 'deep' },
              },
            },
          },
        },
        nat: {
          initial: 'unknown',
          states: {
            unknown: { on: { PROBE: { target: 'probing' } }, after: { refresh: { target: 'probing' } } },
            probing: {
              on: { 'NAT.RESULT': [{ guard: 'isPublic', target: 'public' }, { target: 'private' }] },
              after: { probeTimeout: { target: 'unknown' } },
            },
            public: { on: { PROBE: { target: 'probing' } } },
            private: {
              initial: 'seekingRelay',
              on: { PROBE: { target: 'probing' } },
              states: {
                seekingRelay: { on: { 'RELAY.FOUND': { target: 'relayed' } } },
                relayed: { on: { 'RELAY.LOST': { target: 'seekingRelay' } } },
              },
            },
          },
        },
      },
    },
    stopping: {
      entry: 'closeAll',
      on: { CLOSED: { target: 'stopped' } },
      after: { 500: { target: 'stopped' } },
    },
    crashed: { type: 'final' },
  },
});

/** A station that finds peers and a relay, and is stopped; in simulated time. */
export async function runStation(): Promise<Run> {
  const clock = new SimulatedClock();
  const recorder = createRecorder({ clock });
  const station = createActor(stationMachine, { id: 'station', clock, inspect: recorder.inspect }).start();
  const send = async (type: StationEvent['type'], afterMs: number): Promise<void> => {
    clock.increment(afterMs);
    station.send({ type });
    // What actors tell takes a few turns of promises.
    for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
  };
  await send('START', 0.4);
  await send('PEER.CONNECTED', 11);
  await send('PEER.CONNECTED', 3.8);
  await send('PEER.CONNECTED', 2.2);
  await send('PEER.DISCONNECTED', 4.6);
  await send('PROBE', 0.2);
  await send('NAT.RESULT', 0.3);
  await send('RELAY.FOUND', 5.6);
  await send('FIND', 8.3);
  await send('QUERY.DONE', 3.2);
  await send('FIND', 30_000);
  await send('PEER.DISCONNECTED', 120);
  await send('STOP', 40);
  await send('CLOSED', 3);
  return recorder.run();
}

/** Requests of two nodes, told apart by their labels. */
export function runNodes(): Run {
  const recorder = createRecorder();
  ['request-1', 'request-2', 'request-3', 'request-4'].forEach((id, index) => {
    const inspect = recorder.inspectAs({ node: index < 2 ? 'alice' : 'bob', peer: `peer-${index}` });
    const gate = createActor(gateMachine, { id, inspect }).start();
    for (let paid = 0; paid < (index % 2) + 1; paid += 1) gate.send({ type: 'gate.pay' });
  });
  return recorder.run();
}
