import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../test/fakes.ts';
import { interruption, startDeadline } from './deadline.ts';

describe('startDeadline', () => {
  it('fires when the time is over', async () => {
    const clock = new FakeClock();
    const deadline = startDeadline(clock, 1_000);
    await clock.advance(999);
    expect([deadline.signal.aborted, deadline.expired]).toEqual([false, false]);
    await clock.advance(1);
    expect([deadline.signal.aborted, deadline.expired]).toEqual([true, true]);
  });

  it('fires with either signal, and forgets the time', () => {
    for (const index of [0, 1]) {
      const clock = new FakeClock();
      const controllers = [new AbortController(), new AbortController()];
      const signals = controllers.map(({ signal }) => signal);
      const deadline = startDeadline(clock, 1_000, [undefined, ...signals]);
      controllers[index]?.abort();
      expect([deadline.signal.aborted, deadline.expired, clock.pending]).toEqual([true, false, 0]);
    }
  });

  it('has fired when a signal already had', () => {
    const clock = new FakeClock();
    const deadline = startDeadline(clock, 1_000, [AbortSignal.abort()]);
    expect([deadline.signal.aborted, clock.pending]).toEqual([true, 0]);
  });

  it('never fires once it is cleared', async () => {
    const clock = new FakeClock();
    const controller = new AbortController();
    const deadline = startDeadline(clock, 1_000, [controller.signal]);
    deadline.clear();
    controller.abort();
    await clock.advance(2_000);
    expect([deadline.signal.aborted, clock.pending]).toEqual([false, 0]);
  });
});

describe('interruption', () => {
  const live = new AbortController().signal;
  const fired = AbortSignal.abort();

  it.each([
    [undefined, undefined, 'STOPPED'],
    [fired, undefined, 'STOPPED'],
    [fired, fired, 'STOPPED'],
    [live, fired, 'CANCELLED'],
    [live, live, undefined],
    [live, undefined, undefined],
  ])('tells who ended it', (stop, signal, code) => {
    expect(interruption('act', { stop, signal })?.code).toBe(code);
  });
});
