import { decodeAnswerEnd, type EndFrame } from '@lloom/codec';
import { AnswerFeeds } from './answerFeeds.ts';
import type { AnswerRecord } from './answerRecord.ts';
import type { Followed, Follower } from './following.ts';

/** An answer that was given before, for somebody who asks the same once more. */
export class KeptAnswer extends AnswerFeeds<Follower> implements Followed {
  readonly #kept: AnswerRecord;

  constructor(record: AnswerRecord) {
    super(record);
    this.#kept = record;
  }

  get outboundTokens(): number {
    try {
      const end = endOf(this.#kept);
      return end === undefined ? 0 : tokensOf(decodeAnswerEnd(end));
    } catch {
      // Whoever has asked sees what was written down.
      return 0;
    }
  }
}

function tokensOf({ response, segment }: EndFrame): number {
  if (response?.type === 'llmResponse') return response.response.payload.outboundTokens;
  return segment?.payload.outboundTokens ?? 0;
}

/** The end of an answer; `undefined` for one without. */
function endOf(record: AnswerRecord): Uint8Array | undefined {
  for (let at = 0; at < record.end;) {
    const { kind, message, next } = record.read(at);
    if (kind === 'end') return message;
    at = next;
  }
  return undefined;
}
