import type { Refusal } from '../errors.ts';
import type { AnswerFeeds } from './answerFeeds.ts';
import { encodeError, handlerFrame } from './failures.ts';
import type { Follower } from './following.ts';

/** How many bytes more still reach the one who is reached best; `undefined`: as many as one likes, or nobody follows. */
export function mostLeft(feeds: AnswerFeeds<Follower>): number | undefined {
  let most: number | undefined;
  feeds.each(({ bytesLeft = Infinity }, behindBytes) => {
    most = Math.max(most ?? 0, bytesLeft - behindBytes);
  });
  return most === Infinity ? undefined : most;
}

/** Tells all of them the same in the place of what follows. They leave by that. */
export function refuseRest(feeds: AnswerFeeds<Follower>, error: Refusal): void {
  const frame = encodeError(handlerFrame(error));
  feeds.each((follower) => void follower.send('error', frame));
}
