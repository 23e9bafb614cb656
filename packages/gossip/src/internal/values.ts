import type { EventIterable } from '@lloom/core';
import type { TopicMessage } from '../types.ts';

/** The events by which values reach the readers of a topic. */
export type ValueEvents = { readonly value: { readonly message: TopicMessage<unknown> } };

type Source = EventIterable<{ readonly type: 'value' } & ValueEvents['value']>;

/** The values of a topic, as its readers get them. */
export class Values<T> implements EventIterable<TopicMessage<T>> {
  readonly #source: Source;

  constructor(source: Source) {
    this.#source = source;
  }

  get dropped(): number {
    return this.#source.dropped;
  }

  async next(): Promise<IteratorResult<TopicMessage<T>>> {
    const { done, value } = await this.#source.next();
    return done === true
      ? { done, value: undefined }
      : { done: false, value: value.message as TopicMessage<T> };
  }

  async return(): Promise<IteratorResult<TopicMessage<T>>> {
    await this.#source.return?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
