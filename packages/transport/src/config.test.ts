import { ConfigError } from '@lloom/core';
import { expect, test } from 'vitest';

import { createStack } from './index.ts';

test.for([
  ['a window below that of a new stream', { maxStreamWindowBytes: 262_143 }, 'stack.maxStreamWindowBytes'],
  [
    'a window beyond what a paused stream keeps',
    { maxStreamWindowBytes: 4_194_305 },
    'stack.maxStreamWindowBytes',
  ],
  ['a cipher that nobody knows', { crypto: 'fast' as 'auto' }, 'stack.crypto'],
  ['a field that nobody knows', { noDelay: true } as object, 'stack.noDelay'],
] as const)('a stack with %s is refused by name', ([, config, path]) => {
  const create = () => createStack(config);
  expect(create).toThrow(ConfigError);
  expect(create).toThrow(`"${path}"`);
});
