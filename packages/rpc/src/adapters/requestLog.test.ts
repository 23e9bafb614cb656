import type { Logger } from '@libp2p/interface';
import { expect, test, vi } from 'vitest';
import { Libp2pNetwork, type RpcComponents } from './libp2p.ts';

type Trace = Logger['trace'] & { enabled?: boolean };

/** A network whose log for requests is the one given. */
function networkWith(...[enabled, traceEnabled, error]: [boolean, boolean?, Logger['error']?]) {
  const trace: Trace = vi.fn<Logger['trace']>();
  if (traceEnabled !== undefined) trace.enabled = traceEnabled;
  const members = { error: () => undefined, trace: () => undefined, enabled: true };
  const loggerOf = (own: object): object => Object.assign(() => undefined, members, own);
  const components = {
    peerId: 'self',
    events: new EventTarget(),
    connectionManager: { getConnections: () => [] },
    logger: {
      forComponent: (name: string) =>
        loggerOf(name === 'lloom:rpc:requests' ? { trace, enabled } : { error }),
    },
  };
  return { network: new Libp2pNetwork(components as unknown as RpcComponents), trace };
}

test.each([
  [true, undefined, true],
  [false, undefined, false],
  [true, false, false],
  [false, true, true],
])(
  'lines for requests are wanted where a logger is %s and its trace %s: %s',
  (...[enabled, own, expected]) => {
    expect(networkWith(enabled, own).network.isTraced).toBe(expected);
  },
);

test('a failure is logged as an error with the ids of what it is about, where they are known', () => {
  const error = vi.fn<Logger['error']>();
  const { network } = networkWith(true, undefined, error);
  const broken = new Error('broken');
  network.log('a request could not be answered', broken, { requestId: '1' });
  network.log('the meter failed', 'broken');
  expect(error.mock.calls).toEqual([
    ['%s %o - %e', 'a request could not be answered', { requestId: '1' }, broken],
    ['%s - %e', 'the meter failed', broken],
  ]);
});

test('a line for a request is of level trace', () => {
  const { network, trace } = networkWith(true);
  network.trace('a request ended %o', { requestId: '1' });
  expect(trace).toHaveBeenCalledExactlyOnceWith('a request ended %o', { requestId: '1' });
});
