import { assign, createActor, fromPromise, setup } from 'xstate';
import { createRecorder, type Run } from '../src/index.ts';

/** A node of a network: nested and parallel states, history, `always`, `after`, actors, guards that say no. */
export const nodeMachine = setup({
  types: {} as { context: { peers: number }; events: { type: string } },
  actors: {
    listen: fromPromise(() => new Promise<void>(() => undefined)),
    probe: fromPromise(() => Promise.resolve()),
  },
  guards: {
    isEnough: ({ context }) => context.peers >= 2,
    hasPeers: ({ context }) => context.peers > 1,
    isPublic: () => false,
  },
  actions: {
    addPeer: assign({ peers: ({ context }) => context.peers + 1 }),
    dropPeer: () => undefined,
    announce: () => undefined,
  },
  delays: { refreshMs: 60_000 },
}).createMachine({
  id: 'node',
  context: { peers: 0 },
  initial: 'stopped',
  on: { 'node.crash': '.crashed' },
  states: {
    stopped: { on: { 'node.start': 'starting' } },
    starting: {
      invoke: { id: 'listen', src: 'listen', onDone: 'running', onError: 'crashed' },
      on: { 'node.skip': 'running' },
    },
    running: {
      type: 'parallel',
      description: 'Three things go on at the same time.',
      on: { 'node.stop': 'stopping' },
      states: {
        discovery: {
          initial: 'idle',
          states: {
            idle: { after: { refreshMs: 'querying' }, on: { 'query.begin': 'querying' } },
            querying: { on: { 'query.done': 'idle', 'query.failed': 'waiting' } },
            waiting: { after: { 1000: 'idle' } },
          },
        },
        connectivity: {
          initial: 'isolated',
          states: {
            isolated: { on: { 'peer.connected': { target: 'connected', actions: 'addPeer' } } },
            connected: {
              initial: 'sparse',
              on: {
                'peer.connected': { actions: 'addPeer' },
                'peer.disconnected': [{ guard: 'hasPeers', actions: 'dropPeer' }, { target: 'isolated' }],
              },
              states: {
                sparse: { always: { guard: 'isEnough', target: 'meshed' } },
                meshed: { entry: 'announce' },
                past: { type: 'history', history: 'deep' },
              },
            },
          },
        },
        nat: {
          initial: 'unknown',
          states: {
            unknown: { on: { 'nat.probe': 'probing' } },
            probing: {
              invoke: { id: 'probe', src: 'probe', onError: 'unknown' },
              on: { 'nat.result': [{ guard: 'isPublic', target: 'public' }, { target: 'private' }] },
            },
            public: {},
            private: {
              initial: 'seeking',
              states: {
                seeking: { on: { 'relay.found': 'relayed' } },
                relayed: { on: { 'relay.lost': 'seeking' } },
              },
            },
          },
        },
      },
    },
    stopping: {
      after: { 500: 'stopped' },
      on: { 'node.closed': 'stopped', 'node.again': 'running.connectivity.connected.past' },
    },
    crashed: { type: 'final' },
  },
});

/** A run of it, on a clock of its own: it starts, finds three peers and loses one, and finds out that it is private. */
export function runNode(): Run {
  let now = 0;
  const recorder = createRecorder({ clock: { elapsed: () => now } });
  const node = createActor(nodeMachine, { inspect: recorder.inspect }).start();
  const connected = ['peer.connected', 'peer.connected', 'peer.connected', 'peer.disconnected'];
  const asked = ['query.begin', 'query.done', 'query.begin', 'nat.probe', 'nat.result', 'relay.found'];
  for (const type of ['node.start', 'node.skip', ...connected, ...asked]) {
    now += 2.5;
    node.send({ type });
  }
  now += 40;
  const run = recorder.run();
  node.stop();
  return run;
}
