import { limits } from '@lloom/codec';
import { describe, expect, test } from 'vitest';
import { BackendError, type BackendErrorCode } from './errors.ts';
import { ToolCalls } from './toolCalls.ts';

const server = 'http://127.0.0.1:11434/v1';

/** What comes of the deltas of one chunk after another. */
function gathered(...chunks: readonly unknown[]): unknown {
  const calls = new ToolCalls(server);
  for (const deltas of chunks) calls.take(deltas);
  return calls.extra?.['tool_calls'];
}

function failure(...chunks: readonly unknown[]): { readonly code: BackendErrorCode; readonly data: unknown } {
  try {
    gathered(...chunks);
  } catch (error) {
    if (BackendError.is(error)) return error;
    throw error;
  }
  throw new Error('It was taken');
}

const begun = (
  id: string,
  name: string,
  { args = '', ...place }: { index?: number; args?: string } = {},
) => ({
  ...place,
  id,
  type: 'function',
  function: { name, arguments: args },
});
const more = (args: string, index?: number) => ({
  ...(index !== undefined && { index }),
  function: { arguments: args },
});
const whole = (id: unknown, name: string, args: string) => ({
  id,
  type: 'function',
  function: { name, arguments: args },
});

describe('tool calls are put together', () => {
  const rain = whole('a', 'rain', '{"in":"Zürich"}');
  const sun = whole('b', 'sun', '{}');
  const ways: readonly (readonly [string, readonly unknown[]])[] = [
    [
      'by their index',
      [
        [begun('a', 'rain', { index: 0 })],
        [more('{"in":', 0)],
        [begun('b', 'sun', { index: 1 })],
        [more('"Zürich"}', 0), more('{}', 1)],
      ],
    ],
    [
      'from one chunk',
      [
        [
          begun('a', 'rain', { index: 0, args: '{"in":"Zürich"}' }),
          begun('b', 'sun', { index: 1, args: '{}' }),
        ],
      ],
    ],
    [
      'when the id and the name are said each time',
      [
        [begun('a', 'rain', { index: 0, args: '{"in":' })],
        [begun('a', 'rain', { index: 0, args: '"Zürich"}' })],
        [begun('b', 'sun', { index: 1, args: '{}' })],
      ],
    ],
    [
      'when each has the index 0 and an id of its own',
      [
        [begun('a', 'rain', { index: 0, args: '{"in":"Zürich"}' })],
        [begun('b', 'sun', { index: 0 })],
        [more('{}', 0)],
      ],
    ],
    [
      'without an index, by their ids',
      [[begun('a', 'rain')], [more('{"in":"Zürich"}')], [begun('b', 'sun')], [more('{}')]],
    ],
    [
      'that have gaps in their index',
      [
        [
          begun('a', 'rain', { index: 2, args: '{"in":"Zürich"}' }),
          begun('b', 'sun', { index: 7, args: '{}' }),
        ],
      ],
    ],
  ];
  test.for(ways)('%s', ([, chunks]) => {
    expect(gathered(...chunks)).toEqual([rain, sun]);
  });

  test('without index and id, each from what is said of it at once; an id is made for each', () => {
    const calls = gathered([begun('', 'rain', { args: '{}' })], [begun('', 'sun', { args: '{}' })]) as {
      id: string;
    }[];
    const id = expect.stringMatching(/^call_/) as string;
    expect(calls).toEqual([whole(id, 'rain', '{}'), whole(id, 'sun', '{}')]);
    expect(calls[0]?.id).not.toBe(calls[1]?.id);
  });

  test('of other kinds, and with what a server wants to be told again', () => {
    const custom = { index: 0, id: 'a', type: 'custom', custom: { name: 'sql', input: 'select' } };
    const signature = { google: { thought_signature: 'x'.repeat(100) } };
    expect(gathered([custom], [{ index: 0, custom: { input: ' 1' }, extra_content: signature }])).toEqual([
      { id: 'a', type: 'custom', custom: { name: 'sql', input: 'select 1' }, extra_content: signature },
    ]);
  });

  test('of which there are none when no chunk speaks of any', () => {
    const calls = new ToolCalls(server);
    expect([undefined, null, []].map((deltas) => calls.take(deltas))).toEqual([false, false, false]);
    expect(calls.extra).toBeUndefined();
  });
});

describe('tool calls are refused', () => {
  test.for([
    ['that are no list', {}],
    ['of which one is a text', ['rain']],
    ['with an index that is a text', [{ ...begun('a', 'rain'), index: '0' }]],
    ['with an index below 0', [begun('a', 'rain', { index: -1 })]],
    ['with a function that is a text', [{ index: 0, function: 'rain' }]],
    ['with arguments that are an object', [{ index: 0, function: { name: 'rain', arguments: {} } }]],
    ['without a name', [more('{}', 0)]],
  ])('%s', ([, deltas]) => {
    expect(failure(deltas)).toMatchObject({ code: 'INVALID_RESPONSE', data: { server } });
  });

  test('beyond 128 of them', () => {
    const many = Array.from({ length: 128 }, (_, index) => begun(`${index}`, 'rain', { index }));
    expect(gathered(many)).toHaveLength(128);
    expect(failure(many, [begun('128', 'rain', { index: 128 })])).toMatchObject({ code: 'TOO_LARGE' });
  });

  test('as soon as they have more than 64 KiB, or when they have in writing', () => {
    const first = [begun('a', 'rain', { index: 0 })];
    const half = [more('x'.repeat(limits.extraBytes / 2), 0)];
    const calls = new ToolCalls(server);
    for (const deltas of [first, half]) calls.take(deltas);
    expect(() => calls.take(half)).not.toThrow();
    expect(() => calls.extra).toThrow(BackendError);
    expect(() => calls.take([more('x', 0)])).toThrow(BackendError);
    expect(failure(first, [more('"'.repeat(limits.extraBytes / 2), 0)])).toMatchObject({ code: 'TOO_LARGE' });
    expect(
      failure([{ ...begun('a', 'rain', { index: 0 }), note: 'x'.repeat(limits.extraBytes) }]),
    ).toMatchObject({
      code: 'TOO_LARGE',
    });
  });
});
