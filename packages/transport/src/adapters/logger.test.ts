import { defaultLogger, disable, enable } from '@libp2p/logger';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ComponentLogger } from '@libp2p/interface';

import { quietLogger } from './logger.ts';

const lines: string[] = [];
let before: string | undefined;

beforeEach(() => {
  before = process.env['DEBUG'];
  vi.spyOn(process.stderr, 'write').mockImplementation((line) => {
    // The time stands first.
    lines.push(String(line).replace(/^\S+Z /, ''));
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  lines.length = 0;
  disable();
  if (before !== undefined) enable(before);
});

/** Everything that libp2p does with a logger, and what was written. */
function use(logger: ComponentLogger): string[] {
  const log = logger.forComponent('lloom-test');
  const scope = log.newScope('stream').newScope('7');
  for (const each of [log, scope]) {
    each('text %s', 'a');
    each.error('failed - %e', Object.assign(new Error('no'), { stack: 'Error: no' }));
    each.trace('detail %d', 1);
  }
  return lines.splice(0);
}

describe.each([
  { asked: '', wrote: 0 },
  { asked: 'somebody-else:*', wrote: 0 },
  { asked: 'lloom-test', wrote: 1 },
  { asked: 'lloom-test:error', wrote: 1 },
  { asked: 'lloom-test:stream:7', wrote: 1 },
  { asked: 'lloom-test:trace', wrote: 1 },
  { asked: 'lloom-test:*:trace', wrote: 1 },
  { asked: 'lloom-test:*', wrote: 3 },
  { asked: '*,*:trace', wrote: 6 },
  { asked: '*,-lloom-test:stream*', wrote: 2 },
])('when DEBUG asks for "$asked"', ({ asked, wrote }) => {
  test(`${wrote} of six lines are written, the same as by libp2p's logger`, () => {
    enable(asked);
    const ours = use(quietLogger());
    expect(ours).toEqual(use(defaultLogger()));
    expect(ours).toHaveLength(wrote);
  });
});

test('a logger that is there already speaks when it is asked to, and is silent when it no longer is', () => {
  const log = quietLogger().forComponent('lloom-test').newScope('peer');
  expect(log.enabled).toBe(false);
  log('before');
  enable('lloom-test:*');
  expect(log.enabled).toBe(true);
  log('while');
  log.error('and why');
  disable();
  log('after');
  expect(lines).toEqual(['lloom-test:peer while\n', 'lloom-test:peer:error and why\n']);
});
