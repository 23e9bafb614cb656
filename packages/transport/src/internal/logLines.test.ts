import { describe, expect, test } from 'vitest';
import { jsonLines, textLines, type LogRecord } from '../index.ts';

describe('lines', () => {
  const record: LogRecord = {
    ...{ at: 1_000_000, level: 'error', component: 'lloom:test', node: '12D3KooWabcdefgh' },
    ...{ message: 'request failed', peerId: 'peer-2', requestId: 'r-1' },
    error: { name: 'RpcError', code: 'TIMEOUT', message: 'waited 3 ms' },
    fields: { ms: 12, model: 'a b', ids: ['x'] },
  };

  function linesOf(lines: typeof jsonLines, ...records: LogRecord[]): string[] {
    const written: string[] = [];
    const sink = lines((line) => written.push(line));
    for (const each of records) sink(each);
    return written;
  }

  test('as JSON hold the record as it is', () => {
    const written = linesOf(jsonLines, record, record);
    expect(written).toHaveLength(2);
    expect(written[0]).toMatch(/^{.*}\n$/);
    expect(JSON.parse(written[0]!)).toEqual(record);
  });

  test('as text are for people', () => {
    expect(linesOf(textLines, record)).toEqual([
      '1970-01-01T00:16:40.000Z error lloom:test [abcdefgh] request failed peerId=peer-2 requestId=r-1 ' +
        'error="waited 3 ms" code=TIMEOUT ms=12 model="a b" ids=["x"]\n',
    ]);
  });

  test.each([textLines, jsonLines])(
    'cannot be forged by what a peer sends, nor does it reach the terminal',
    (lines) => {
      const forged =
        'x\n1970-01-01T00:16:40.000Z error lloom:peers all is well\r\u001b[2J\u009b1m\u2028\u202e';
      const from = { ...record, message: forged, peerId: forged, fields: { [forged]: forged } };
      const [line] = linesOf(lines, { ...from, error: { name: forged, message: forged } });
      expect(line?.slice(0, -1)).toMatch(/^[ -~]*$/);
      expect(line?.at(-1)).toBe('\n');
    },
  );
});
