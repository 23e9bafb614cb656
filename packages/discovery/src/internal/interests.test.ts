import { describe, expect, it } from 'vitest';
import { HandClock } from '../../test/descriptors.ts';
import type { ServiceQuery } from '../types.ts';
import { Interests } from './interests.ts';

const executors: ServiceQuery = { kind: 'executor' };
const ofModel = (model: string): ServiceQuery => ({ kind: 'executor', model });

function begin() {
  const clock = new HandClock();
  return { clock, interests: new Interests(clock) };
}

describe('what was looked for', () => {
  it('is remembered once each, the newest last', () => {
    const { interests } = begin();
    for (const query of [executors, ofModel('a'), executors]) interests.note(query);
    expect(interests.all).toEqual([ofModel('a'), executors]);
  });

  it('is 32 questions at most, and the oldest goes first', () => {
    const { interests } = begin();
    for (let index = 0; index < 40; index++) interests.note(ofModel(`m${index}`));
    expect([interests.all.length, interests.all[0]]).toEqual([32, ofModel('m8')]);
  });

  it('is answered for as long as the caller wants, also when it is looked for again', () => {
    const { clock, interests } = begin();
    interests.note(executors);
    expect(interests.isAnswered(executors, 30_000)).toBe(false);
    interests.noteAnswer(executors);
    clock.elapsedMs = 29_999;
    interests.note(executors);
    expect([interests.isAnswered(executors, 30_000), interests.isAnswered(ofModel('a'), 30_000)]).toEqual([
      true,
      false,
    ]);
    clock.elapsedMs = 30_000;
    expect([interests.isAnswered(executors, 30_000), interests.isAnswered(executors, 30_001)]).toEqual([
      false,
      true,
    ]);
    expect(interests.isAnswered(executors, 0)).toBe(false);
  });

  it('is not answered by a search that nobody remembers', () => {
    const { interests } = begin();
    interests.noteAnswer(executors);
    expect([interests.all, interests.isAnswered(executors, 30_000)]).toEqual([[], false]);
  });
});
