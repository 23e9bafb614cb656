import { CodecError, type CodecErrorCode } from '../../src/index.ts';

export interface ErrorShape {
  readonly code: CodecErrorCode;
  readonly data: object;
}

/** The error that a call must end in. Anything but a CodecError is thrown on: nothing else may come out, ever. */
export function errorOf(act: () => unknown): ErrorShape {
  try {
    act();
  } catch (error) {
    if (!CodecError.is(error)) throw error;
    const { code, data } = error;
    return { code, data };
  }
  throw new Error('Nothing was thrown');
}
