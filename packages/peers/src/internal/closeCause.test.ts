import { describe, expect, it } from 'vitest';

import { closeCauseOf } from './closeCause.ts';

const failure = (more: object): Error => Object.assign(new Error('it ended'), more);

describe('closeCauseOf()', () => {
  it.each([
    ['nothing', undefined, undefined],
    ['a reset', failure({ code: 'ECONNRESET' }), 'RESET'],
    ['a broken pipe', failure({ code: 'EPIPE' }), 'RESET'],
    ['a reset of the muxer', failure({ name: 'StreamResetError' }), 'RESET'],
    ['a peer that has closed the muxer only', failure({ name: 'ConnectionClosedError' }), 'RESET'],
    ['a way that is gone', failure({ code: 'EHOSTUNREACH' }), 'RESET'],
    ['a silent host', failure({ code: 'ETIMEDOUT' }), 'TIMEOUT'],
    ['a ping without answer', failure({ name: 'TimeoutError' }), 'TIMEOUT'],
    ['an aborted ping', failure({ name: 'AbortError', code: 'ABORT_ERR' }), 'TIMEOUT'],
    ['anything else', failure({ name: 'toString' }), 'ERROR'],
    ['no error object', 'gone', 'ERROR'],
  ])('reads %s', (_, error, code) => {
    expect(closeCauseOf(error)?.code).toBe(code);
  });

  it('says what the library said', () => {
    expect(closeCauseOf(new Error('it ended'))).toEqual({ code: 'ERROR', message: 'it ended' });
  });
});
